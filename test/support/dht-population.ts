/** A population of DHT nodes on the virtual Internet, with the routing tables that they would have after a long time. */
import { DhtNode } from '../../engine/discovery/dht/dht-node.js';
import { saveOverlay } from '../../engine/discovery/dht/dht-state.js';
import type { NodeContact, RandomBytes } from '../../engine/discovery/dht/node-id.js';
import { compareDistance, ID_BYTES } from '../../engine/discovery/dht/node-id.js';
import { Overlay } from '../../engine/discovery/dht/overlay.js';
import { RoutingTable } from '../../engine/discovery/dht/routing-table.js';
import { makeSecureId } from '../../engine/discovery/dht/secure-id.js';
import { asMillis, type Rng } from '../../engine/units.js';
import type { VirtualInternet } from './virtual-internet.js';

/** Draws a bucket gets before it is taken to be as full as it will be. */
const DRAWS = 3;

export interface PopulationOptions {
  readonly internet: VirtualInternet;
  readonly rng: Rng;
  readonly live: number;
  /** In the tables of the others, and gone. */
  readonly dead: number;
}

export const bytesFrom =
  (rng: Rng): RandomBytes =>
  (length) =>
    Uint8Array.from({ length }, () => Math.floor(rng() * 256));

export class Population {
  readonly #internet: VirtualInternet;
  readonly #rng: Rng;
  readonly #randomBytes: RandomBytes;
  readonly #hosts = new Set<string>();
  /** Live, dead and whoever joined later, in the order of their ids. */
  #sorted: NodeContact[] = [];
  readonly live: NodeContact[] = [];

  constructor({ internet, rng, live, dead }: PopulationOptions) {
    this.#internet = internet;
    this.#rng = rng;
    this.#randomBytes = bytesFrom(rng);
    const all = Array.from({ length: live + dead }, () => this.newContact());
    this.#sort(all);
    this.live = all.slice(0, live);
    for (const contact of this.live) this.#startNode(contact);
  }

  /** At a public address that nobody has, with an id of that address. */
  newContact(): NodeContact {
    for (;;) {
      const ip = Uint8Array.from([1 + this.#below(223), ...this.#randomBytes(3)]);
      const [a = 0, b = 0] = ip;
      const host = ip.join('.');
      if (this.#hosts.has(host) || [10, 100, 127, 169, 172, 192, 198].includes(a) || (a === 0 && b === 0)) continue;
      this.#hosts.add(host);
      return { id: makeSecureId(ip, this.#randomBytes), host, port: 1_024 + this.#below(60_000) };
    }
  }

  /** A node of ours that was restarted: it remembers its table, and nothing else. */
  searcher(): DhtNode {
    const contact = this.newContact();
    const table = new RoutingTable(contact.id);
    this.#fill(table);
    return new DhtNode({
      sockets: [this.#internet.socketAt(contact)],
      clock: this.#internet.clock,
      rng: this.#rng,
      randomBytes: this.#randomBytes,
      saved: { version: 1, v4: saveOverlay(contact.id, [...table.entries()]) },
    });
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
    this.#fill(overlay.table);
    this.#internet.socketAt(contact).onDatagram = (datagram, from) => overlay.onDatagram(datagram, from);
  }

  #sort(contacts: NodeContact[]): void {
    const zero = new Uint8Array(ID_BYTES);
    this.#sorted = [...contacts].sort((a, b) => compareDistance(zero, a.id, b.id));
  }

  /** Each bucket with a random choice of those that belong there. */
  #fill(table: RoutingTable): void {
    for (let bits = 0; ; bits++) {
      const [start, end] = this.#range(table.ownId, bits);
      const size = end - start;
      const places = bits < 4 ? 128 >> bits : 8;
      if (size <= DRAWS * places) for (let at = start; at < end; at++) this.#put(table, at);
      else for (let draw = 0; draw < DRAWS * places; draw++) this.#put(table, start + this.#below(size));
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

