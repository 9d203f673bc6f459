/**
 * Virtual network: hosts behind access links, and connections as two ordered streams of messages.
 *
 * Blocks are flows over the links, one at a time a direction. A small message goes out at once when no block is
 * under way in its direction, and otherwise right after the block before it, as TCP keeps order; its bytes delay
 * what the links carry next. What is through the links arrives a latency later.
 */

import type { EventQueue } from './event-queue.js';
import { EVENT } from './events.js';
import { FluidLinks } from './fluid-links.js';
import { longerFloats } from './longer.js';
import { isBlockKind, type MessageKind } from './messages.js';
import type { NetworkConditions } from './scenario.js';

export interface AccessLink {
  /** kbit/s, of 1,024 bit. */
  readonly downKbit: number;
  readonly upKbit: number;
}

export type NetworkOptions = Pick<NetworkConditions, 'latencyMs' | 'overhead' | 'modemBufferBytes'>;

export interface NetworkSink {
  /** A block is through the sender's link. */
  onSent(end: number): void;
}

const NONE = -1;
/** What is known of an end, side by side: of tens of thousands none is in the cache when its turn comes. */
const HOST = 0;
/** First and last of its unsent messages; the first is a block, the one being sent. */
const HEAD = 1;
const TAIL = 2;
/** When the latest of its messages arrives: none overtakes another. */
const ARRIVES_AT = 3;
const QUEUED_BYTES = 4;
const STRIDE_BITS = 3;
/** A kbit/s in bytes a millisecond. */
const KBIT = 1024 / 8 / 1000;

export class VirtualNetwork {
  readonly #queue: EventQueue;
  readonly #options: NetworkOptions;
  readonly #sink: NetworkSink;
  readonly #links: FluidLinks;
  readonly #factor: number;
  #ends = 0;
  /** By end of a connection, which is also the number of the flow that it sends; its peer is the same but one bit. */
  #values = new Float64Array(1024 << STRIDE_BITS);

  constructor(queue: EventQueue, options: NetworkOptions, sink: NetworkSink) {
    this.#queue = queue;
    this.#options = options;
    this.#sink = sink;
    this.#factor = 1 + options.overhead;
    this.#links = new FluidLinks(queue, EVENT.link, { onServed: (end) => this.#onServed(end) });
  }

  /** @returns its number: 0, 1, 2 … */
  addHost({ upKbit, downKbit }: AccessLink): number {
    const up = this.#links.addLink(upKbit * KBIT);
    this.#links.addLink(downKbit * KBIT);
    return up >>> 1;
  }

  /** @returns the end at `a`; that at `b` is the next number */
  connect(a: number, b: number): number {
    const end = this.#ends;
    this.#ends += 2;
    if (this.#ends << STRIDE_BITS > this.#values.length)
      this.#values = longerFloats(this.#values, 2 * this.#values.length);
    this.#open(end, a);
    this.#open(end + 1, b);
    return end;
  }

  /** Time for a message without bytes from one host to another. */
  get oneWayMs(): number {
    return 2 * this.#options.latencyMs;
  }

  /** Bytes a millisecond that pass now. */
  uplinkLoad(host: number): number {
    return this.#links.loadOf(2 * host);
  }

  uplinkCapacity(host: number): number {
    return this.#links.capacityOf(2 * host);
  }

  get unsettled(): number {
    return this.#links.unsettled;
  }

  /** Bytes of blocks handed over at `end` and not yet through its link. */
  queuedBytes(end: number): number {
    return this.#get(end, QUEUED_BYTES);
  }

  /** @param bytes on the wire */
  sendMessage(end: number, kind: MessageKind, piece: number, begin: number, bytes: number): void {
    const node = this.#queue.alloc(EVENT.message, end ^ 1, kind, piece, begin, bytes);
    if (this.#get(end, HEAD) !== NONE) this.#enqueue(end, node);
    else {
      const up = 2 * this.#get(end, HOST);
      const size = bytes * this.#factor;
      const flows = this.#links.flowCount(up);
      this.#links.addDebt(up, size);
      this.#links.addDebt(2 * this.#get(end ^ 1, HOST) + 1, size);
      this.#arrive(end, node, (size * (flows + 1)) / this.#links.capacityOf(up));
    }
  }

  sendBlock(end: number, kind: MessageKind, piece: number, begin: number, bytes: number): void {
    const node = this.#queue.alloc(EVENT.message, end ^ 1, kind, piece, begin, bytes);
    const isIdle = this.#get(end, HEAD) === NONE;
    this.#put(end, QUEUED_BYTES, this.#get(end, QUEUED_BYTES) + bytes);
    this.#enqueue(end, node);
    if (!isIdle) return;
    const up = 2 * this.#get(end, HOST);
    const down = 2 * this.#get(end ^ 1, HOST) + 1;
    this.#links.begin(end, up, down, bytes * this.#factor);
  }

  /** The end sends nothing more, not what it was handed either. What is on the way arrives. */
  close(end: number): void {
    if (this.#get(end, HEAD) === NONE) return;
    for (let node = this.#get(end, HEAD); node !== NONE; ) {
      const next = this.#queue.nextOf(node);
      this.#queue.free(node);
      node = next;
    }
    this.#put(end, HEAD, NONE);
    this.#put(end, QUEUED_BYTES, 0);
    this.#links.end(end);
  }

  onLinkEvent(node: number): void {
    this.#links.onEvent(this.#queue.a(node));
  }

  onTickEnd(): void {
    this.#links.settle();
  }

  /** The first block is through: it arrives, with the small messages behind it, and the next block begins. */
  #onServed(end: number): number {
    const queue = this.#queue;
    const block = this.#get(end, HEAD);
    let node = queue.nextOf(block);
    this.#put(end, QUEUED_BYTES, this.#get(end, QUEUED_BYTES) - queue.e(block));
    this.#arrive(end, block, 0);
    let small = 0;
    while (node !== NONE && !isBlock(queue, node)) {
      const next = queue.nextOf(node);
      small += queue.e(node);
      this.#arrive(end, node, 0);
      node = next;
    }
    this.#put(end, HEAD, node);
    this.#sink.onSent(end);
    if (node !== NONE) return (queue.e(node) + small) * this.#factor;
    if (small > 0) this.#links.addDebt(2 * this.#get(end, HOST), small * this.#factor);
    return 0;
  }

  #enqueue(end: number, node: number): void {
    this.#queue.setNext(node, NONE);
    if (this.#get(end, HEAD) === NONE) this.#put(end, HEAD, node);
    else this.#queue.setNext(this.#get(end, TAIL), node);
    this.#put(end, TAIL, node);
  }

  #arrive(end: number, node: number, sendingMs: number): void {
    const { modemBufferBytes } = this.#options;
    const { now } = this.#queue;
    let at = now + sendingMs + this.oneWayMs;
    if (modemBufferBytes > 0) {
      const up = 2 * this.#get(end, HOST);
      if (this.#links.isFull(up)) at += modemBufferBytes / this.#links.capacityOf(up);
    }
    at = Math.max(at, this.#get(end, ARRIVES_AT));
    this.#put(end, ARRIVES_AT, at);
    this.#queue.schedule(node, at);
  }

  #open(end: number, host: number): void {
    this.#put(end, HOST, host);
    this.#put(end, HEAD, NONE);
  }

  #get(end: number, field: number): number {
    return this.#values[(end << STRIDE_BITS) + field]!;
  }

  #put(end: number, field: number, value: number): void {
    this.#values[(end << STRIDE_BITS) + field] = value;
  }
}

function isBlock(queue: EventQueue, node: number): boolean {
  return isBlockKind(queue.b(node) as MessageKind);
}
