/** A population of DHT nodes on the virtual Internet, with the routing tables that they would have after a long time. */

import { encodeAddress, encodeNodes } from '../../engine/discovery/dht/compact-nodes.js';
import { DhtNode } from '../../engine/discovery/dht/dht-node.js';
import { saveOverlay } from '../../engine/discovery/dht/dht-state.js';
import { readMessage, writeReply } from '../../engine/discovery/dht/krpc.js';
import type { NodeContact, NodeId, RandomBytes } from '../../engine/discovery/dht/node-id.js';
import { compareDistance, ID_BYTES, sharedBits } from '../../engine/discovery/dht/node-id.js';
import { Overlay } from '../../engine/discovery/dht/overlay.js';
import { RoutingTable } from '../../engine/discovery/dht/routing-table.js';
import { makeSecureId } from '../../engine/discovery/dht/secure-id.js';
import { asMillis, type Rng } from '../../engine/units.js';
import type { VirtualInternet } from './virtual-internet.js';

/** Draws a bucket gets before it is taken to be as full as it will be. */
const DRAWS = 1.5;
/** In a network that is under attack for long, nodes meet many more. */
const DRAWS_UNDER_ATTACK = 6;

export interface PopulationOptions {
  readonly internet: VirtualInternet;
  readonly rng: Rng;
  readonly live: number;
  /** In the tables of the others, and gone. */
  readonly dead: number;
  readonly sybils?: Sybils;
}

/** Nodes of one party, each in a network of its own, all as near to the target as they may be. */
export interface Sybils {
  readonly count: number;
  readonly target: NodeId;
  /** Their ids follow from their addresses (BEP 42): each has eight to choose from. */
  readonly secure: boolean;
  /** How many of them they name, the closest. */
  readonly named: number;
}

const bytesFrom =
  (rng: Rng): RandomBytes =>
  (length) =>
    Uint8Array.from({ length }, () => Math.floor(rng() * 256));

export class Population {
  readonly #internet: VirtualInternet;
  readonly #rng: Rng;
  readonly #randomBytes: RandomBytes;
  #networkSize: number | undefined;
  readonly #attacked: boolean;
  readonly #hosts = new Set<string>();
  /** Live, dead and whoever joined later, in the order of their ids. */
  #sorted: NodeContact[] = [];
  readonly live: NodeContact[] = [];

  constructor({ internet, rng, live, dead, sybils }: PopulationOptions) {
    this.#internet = internet;
    this.#rng = rng;
    this.#randomBytes = bytesFrom(rng);
    const all = Array.from({ length: live + dead }, () => this.newContact());
    this.#attacked = sybils !== undefined && !sybils.secure;
    const liars = sybils === undefined ? [] : this.#makeSybils(sybils);
    this.#sort([...all, ...liars]);
    this.live = all.slice(0, live);
    for (const contact of this.live) this.#startNode(contact);
    this.#measureSize();
  }

  /** At a public address that nobody has, with an id of that address. */
  newContact(): NodeContact {
    for (;;) {
      const ip = Uint8Array.from([1 + this.#below(223), ...this.#randomBytes(3)]);
      const [a = 0, b = 0] = ip;
      const host = ip.join('.');
      if (this.#hosts.has(host) || [10, 100, 127, 169, 172, 192, 198].includes(a) || (a === 0 && b === 0))
        continue;
      this.#hosts.add(host);
      return { id: makeSecureId(ip, this.#randomBytes), host, port: 1_024 + this.#below(60_000) };
    }
  }

  /** A node of ours that was restarted: it remembers its table, and nothing else. */
  searcher(networkSize = this.#networkSize): DhtNode {
    const contact = this.newContact();
    const table = new RoutingTable(contact.id);
    this.#fill(table, 128);
    return new DhtNode({
      sockets: [this.#internet.socketAt(contact)],
      clock: this.#internet.clock,
      rng: this.#rng,
      randomBytes: this.#randomBytes,
      saved: { version: 1, v4: saveOverlay(contact.id, [...table.entries()], networkSize) },
    });
  }

  /** What nodes think that run for some time: the middle of what some random lookups said. */
  #measureSize(): void {
    const node = this.searcher(undefined);
    for (let lookup = 0; lookup < 15; lookup++) {
      let over = false;
      node.refresh(() => {
        over = true;
      });
      this.#internet.run(() => over);
    }
    this.#networkSize = node.save().v4?.networkSize;
    node.close();
  }

  get networkSize(): number | undefined {
    return this.#networkSize;
  }

  randomTarget(): Uint8Array {
    return this.#randomBytes(ID_BYTES);
  }

  #startNode(contact: NodeContact): void {
    const overlay = new Overlay({
      socket: this.#internet.socketAt(contact),
      clock: this.#internet.clock,
      rng: this.#rng,
      randomBytes: this.#randomBytes,
      id: contact.id,
      isReadOnly: () => false,
      sibling: () => undefined,
      entryPoints: () => Promise.resolve([]),
      narrowTable: true,
    });
    this.#fill(overlay.table, 8);
    this.#internet.socketAt(contact).onDatagram = (datagram, from) => overlay.onDatagram(datagram, from);
  }

  /** They name each other, know no peers, and forget what they are told. */
  #makeSybils({ count, target, secure, named }: Sybils): NodeContact[] {
    const contacts: NodeContact[] = [];
    while (contacts.length < count) {
      const { host, port } = this.newContact();
      const id = secure ? this.#bestId(host, target) : Uint8Array.from(target);
      id.set(this.#randomBytes(3), 15);
      contacts.push({ id, host, port });
    }
    contacts.sort((a, b) => compareDistance(target, a.id, b.id));
    for (const contact of contacts) {
      const socket = this.#internet.socketAt(contact);
      socket.onDatagram = (datagram, from) => {
        const message = readMessage(datagram, 4);
        if (message?.kind !== 'query') return;
        const friends = Array.from(
          { length: 8 },
          () => contacts[this.#below(Math.min(named, count))] ?? contact,
        );
        const body = { token: 'token', nodes: encodeNodes(friends, 4) };
        socket.send(
          writeReply(message.transaction, contact.id, body, encodeAddress(from.host, from.port, 4)),
          from,
        );
      };
    }
    return contacts;
  }

  /** Of the eight prefixes that the address may have, the one closest to the target; the rest as the target. */
  #bestId(host: string, target: NodeId): Uint8Array {
    const ip = Uint8Array.from(host.split('.'), Number);
    const ids = Array.from({ length: 8 }, (_, choice) => {
      const id = makeSecureId(ip, (length) => new Uint8Array(length).fill(choice));
      const bits = sharedBits(id, target);
      // Bits after the 21st are free, the last three aside.
      if (bits < 21) id.set(target.subarray(3, 19), 3);
      return id;
    });
    return ids.sort((a, b) => compareDistance(target, a, b))[0] as Uint8Array;
  }

  #sort(contacts: NodeContact[]): void {
    const zero = new Uint8Array(ID_BYTES);
    this.#sorted = [...contacts].sort((a, b) => compareDistance(zero, a.id, b.id));
  }

  /** Each bucket with a random choice of those that belong there. */
  #fill(table: RoutingTable, most: number): void {
    const draws = this.#attacked ? DRAWS_UNDER_ATTACK : DRAWS;
    for (let bits = 0; ; bits++) {
      const [start, end] = this.#range(table.ownId, bits);
      const size = end - start;
      const places = Math.max(8, most >> bits);
      if (size <= draws * places) for (let at = start; at < end; at++) this.#put(table, at);
      else for (let draw = 0; draw < draws * places; draw++) this.#put(table, start + this.#below(size));
      if (size === 0 && bits > 8) return;
    }
  }

  #put(table: RoutingTable, at: number): void {
    const contact = this.#sorted[at];
    if (contact !== undefined) table.onReply(contact, 100, asMillis(this.#internet.clock.now()));
  }

  /** Of those that share exactly `bits` bits with `id`: they stand side by side. */
  #range(id: Uint8Array, bits: number): [number, number] {
    const low = Uint8Array.from(id);
    const high = Uint8Array.from(id);
    const byte = bits >>> 3;
    const bit = 0x80 >>> (bits & 7);
    const flipped = ((id[byte] ?? 0) ^ bit) & ~(bit - 1) & 0xff;
    low[byte] = flipped;
    high[byte] = flipped | (bit - 1);
    low.fill(0, byte + 1);
    high.fill(255, byte + 1);
    return [this.#lowerBound(low, false), this.#lowerBound(high, true)];
  }

  #lowerBound(id: Uint8Array, after: boolean): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = Buffer.compare(this.#sorted[middle]?.id ?? id, id);
      if (order < 0 || (after && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #below(limit: number): number {
    return Math.floor(this.#rng() * limit);
  }
}
