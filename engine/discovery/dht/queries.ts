/**
 * Our queries under way on one socket: a random transaction id each, answered only from the address and port that was
 * asked; slow after about the usual round trip, given up after some seconds.
 */
import type { Clock, TimerHandle } from '../../ports.js';
import { addressKey, asMillis, type PeerAddress } from '../../units.js';
import type { DatagramSocket } from './datagram-socket.js';
import { type Message, type Query, type Reply, writeQuery } from './krpc.js';
import { idKey, type NodeId, type RandomBytes } from './node-id.js';
import { RoundTrips } from './round-trips.js';

/** Then nothing more will come. */
const GIVE_UP_MS = 5_000;
/** Bounds memory; a lookup has some ten under way. */
const MAX_UNDER_WAY = 512;
/** 2 would be guessed by 65,536 packets. */
const TRANSACTION_BYTES = 4;

export interface QueryHandler {
  onReply(reply: Reply, rttMs: number): void;
  /** It takes longer than usual; an answer may still come. */
  onSlow?(): void;
  /** @param isThere it answered with an error; else, not at all */
  onFail(isThere: boolean): void;
}

interface UnderWay {
  readonly to: string;
  readonly sentAt: number;
  readonly handler: QueryHandler;
  slowTimer: TimerHandle | undefined;
  endTimer: TimerHandle;
}

export interface QueriesOptions {
  readonly socket: DatagramSocket;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly ownId: () => NodeId;
  /** Towards that host (BEP 43). */
  readonly isReadOnly: (host: string) => boolean;
}

export class Queries {
  readonly #options: QueriesOptions;
  /** By transaction id. */
  readonly #underWay = new Map<string, UnderWay>();
  readonly #roundTrips = new RoundTrips();
  /** Since the start. */
  sent = 0;

  constructor(options: QueriesOptions) {
    this.#options = options;
  }

  /** @param knownRttMs what that node took the last time @returns false when too many are under way: nothing is called then */
  send(to: PeerAddress, query: Query, handler: QueryHandler, knownRttMs?: number): boolean {
    if (this.#underWay.size >= MAX_UNDER_WAY) return false;
    const { clock, socket, randomBytes, ownId, isReadOnly } = this.#options;
    let transaction = randomBytes(TRANSACTION_BYTES);
    while (this.#underWay.has(idKey(transaction))) transaction = randomBytes(TRANSACTION_BYTES);
    const key = idKey(transaction);
    const now = clock.now();
    const slowAt = asMillis(now + this.#roundTrips.slowAfterMs(knownRttMs));
    const underWay: UnderWay = {
      to: addressKey(to),
      sentAt: now,
      handler,
      slowTimer: handler.onSlow === undefined ? undefined : clock.schedule(slowAt, () => handler.onSlow?.()),
      endTimer: clock.schedule(asMillis(now + GIVE_UP_MS), () => {
        this.#end(key, underWay);
        handler.onFail(false);
      }),
    };
    this.#underWay.set(key, underWay);
    this.sent++;
    socket.send(writeQuery(transaction, ownId(), query, isReadOnly(to.host)), to);
    return true;
  }

  /** @returns false when nobody asked for it */
  onAnswer(message: Extract<Message, { kind: 'reply' | 'error' }>, from: PeerAddress): boolean {
    const key = idKey(message.transaction);
    const underWay = this.#underWay.get(key);
    if (underWay === undefined || underWay.to !== addressKey(from)) return false;
    this.#end(key, underWay);
    const rttMs = this.#options.clock.now() - underWay.sentAt;
    this.#roundTrips.add(rttMs);
    if (message.kind === 'reply') underWay.handler.onReply(message.reply, rttMs);
    else underWay.handler.onFail(true);
    return true;
  }

  /** Drops all; no handler is called any more. */
  close(): void {
    for (const [key, underWay] of this.#underWay) this.#end(key, underWay);
  }

  #end(key: string, underWay: UnderWay): void {
    this.#underWay.delete(key);
    underWay.slowTimer?.cancel();
    underWay.endTimer.cancel();
  }
}
