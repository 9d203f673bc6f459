/**
 * The DHT node: one or two overlays (IPv4, IPv6) behind one interface. Finds and announces peers (BEP 5), counts
 * swarms (BEP 33), stores and fetches items (BEP 44), and is saved and restored.
 */

import { familyOf } from '../../policy/ip-address.js';
import type { Clock } from '../../ports.js';
import type { DhtSnapshot } from '../../snapshot.js';
import { addressKey, type PeerAddress, type Rng } from '../../units.js';
import { BloomFilter } from './bloom-filter.js';
import type { DatagramSocket } from './datagram-socket.js';
import { readSavedOverlay, type SavedDht, saveOverlay } from './dht-state.js';
import { type Item, immutableTarget, isSigned, mutableTarget } from './items.js';
import type { Reply, Signed } from './krpc.js';
import type { RunningLookup } from './lookups.js';
import { networkOf } from './node-address.js';
import { ID_BYTES, type NodeContact, type NodeId, type RandomBytes } from './node-id.js';
import { type NodeTeller, Overlay } from './overlay.js';

/** The first byte of every KRPC datagram: a dictionary. */
const DICTIONARY = 0x64;

export interface DhtNodeOptions {
  /** One or two, of different families. The node closes them. */
  readonly sockets: readonly DatagramSocket[];
  readonly clock: Clock;
  readonly rng: Rng;
  /** Unpredictable: ids, transactions and secrets come from it. */
  readonly randomBytes: RandomBytes;
  /** Literal addresses to join through when no node is known; asked again each time. */
  readonly entryPoints?: () => Promise<readonly PeerAddress[]>;
  /** What `save` gave, or anything: what is not usable is ignored. */
  readonly saved?: unknown;
  /** Another node has the saved ids: only the nodes are taken. */
  readonly newIds?: boolean;
  /** What came on the sockets and is not of the DHT. */
  readonly onOtherDatagram?: (datagram: Uint8Array, from: PeerAddress, socket: DatagramSocket) => void;
  /** With 8 places in every bucket; for simulations of many nodes. */
  readonly narrowTable?: boolean;
}

export interface PeerLookup {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** Peers of one answer: valid addresses with a port, nothing more. The same come again from other nodes. */
  onPeers(peers: readonly PeerAddress[], teller: PeerAddress): void;
  /** Announces us to the nodes closest to the info-hash. */
  readonly announce?: {
    /** Where we listen; `implied`: on the port of the DHT, as others see it. */
    readonly port: number;
    readonly implied: boolean;
    readonly seed: boolean;
  };
  /** @param announcedTo how many nodes were told @param queries of all lookups */
  onDone?(announcedTo: number, queries: number): void;
}

/** About how many there are (BEP 33). */
export interface SwarmEstimate {
  readonly seeds: number;
  readonly peers: number;
}

export class DhtNode {
  readonly #overlays: readonly Overlay[];
  readonly #randomBytes: RandomBytes;
  /** Ends of what was promised and is under way. */
  readonly #promises = new Set<() => void>();
  #readOnly = false;
  #started = false;
  #closed = false;

  constructor(options: DhtNodeOptions) {
    const { clock, rng, randomBytes, entryPoints } = options;
    this.#randomBytes = randomBytes;
    const families = new Map<4 | 6, Overlay>();
    for (const socket of options.sockets) {
      const { family } = socket;
      const restored = readSavedOverlay(options.saved, family);
      const overlay = new Overlay({
        socket,
        clock,
        rng,
        randomBytes,
        networkSize: restored?.networkSize,
        ...(restored === undefined || options.newIds === true ? {} : { id: restored.id }),
        isReadOnly: (host) => this.#readOnly && networkOf(host)?.local !== true,
        sibling: () => families.get(family === 4 ? 6 : 4),
        entryPoints: async () =>
          ((await entryPoints?.()) ?? []).filter(({ host }) => familyOf(host) === family),
        narrowTable: options.narrowTable === true,
      });
      for (const node of restored?.nodes ?? []) overlay.table.restore(node);
      families.set(family, overlay);
      socket.onDatagram = (datagram, from) => {
        if (datagram[0] === DICTIONARY) overlay.onDatagram(datagram, from);
        else options.onOtherDatagram?.(datagram, from, socket);
      };
    }
    this.#overlays = [...families.values()];
  }

  /** Joins: through the restored nodes, else through the entry points. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    for (const overlay of this.#overlays) overlay.start();
  }

  /** Somebody says that a node is there: a torrent's `nodes`, a peer's PORT message, local discovery. */
  addNode(address: PeerAddress, by: NodeTeller = 'stranger'): void {
    if (this.#closed || networkOf(address.host) === undefined) return;
    this.#overlayOf(address.host)?.addNode(address, by);
  }

  /** Read-only (BEP 43) where nobody can reach us from the Internet: we ask there, and do not answer. */
  setReadOnly(readOnly: boolean): void {
    this.#readOnly = readOnly;
  }

  /** Looks up a random id: the upkeep does it by itself, now and then. */
  refresh(onDone: () => void): void {
    let left = this.#overlays.length;
    for (const overlay of this.#overlays)
      overlay.refresh(this.#randomBytes(ID_BYTES), () => {
        if (--left === 0) onDone();
      });
  }

  /**
   * In both families. `onDone` is called once, unless it is cancelled: when the families are through in which any node
   * is known. The other one goes on waiting for nodes until it is cancelled.
   */
  lookUpPeers({ infoHash, onPeers, announce, onDone }: PeerLookup): RunningLookup {
    const isOver = this.#whenThrough();
    let announcedTo = 0;
    let sent = 0;
    const running = this.#overlays.map((overlay) => {
      const tokens = new Map<string, Uint8Array>();
      return overlay.lookUp({
        query: { method: 'get_peers', target: infoHash },
        onReply: (from, reply) => {
          if (reply.token !== undefined) tokens.set(addressKey(from), reply.token);
          const peers = usablePeers(from, reply, overlay.family);
          if (peers.length > 0) onPeers(peers, from);
        },
        onDone: (closest, queries) => {
          sent += queries;
          if (announce !== undefined) {
            const { port, implied: impliedPort, seed } = announce;
            announcedTo += store(overlay, closest, tokens, (token) => ({
              method: 'announce_peer',
              target: infoHash,
              token,
              port,
              impliedPort,
              seed,
            }));
          }
          if (isOver(overlay)) onDone?.(announcedTo, sent);
        },
      });
    });
    return {
      cancel: () => {
        for (const lookup of running) lookup.cancel();
      },
    };
  }

  /** Counts a swarm; null when no node knows it. */
  scrape(infoHash: Uint8Array): Promise<SwarmEstimate | null> {
    const seeds = new BloomFilter();
    const peers = new BloomFilter();
    let known = false;
    return this.#everywhere(
      () => ({
        query: { method: 'get_peers', target: infoHash, scrape: true },
        onReply: (_from: NodeContact, { seedFilter, peerFilter, values }: Reply) => {
          if (seedFilter !== undefined) seeds.union(seedFilter);
          if (peerFilter !== undefined) peers.union(peerFilter);
          // A node without filters: its peers are not known to be seeds.
          if (seedFilter === undefined && peerFilter === undefined)
            for (const { host } of values) peers.add(host);
          known ||= seedFilter !== undefined || peerFilter !== undefined || values.length > 0;
        },
      }),
      () => (known ? { seeds: Math.round(seeds.estimate()), peers: Math.round(peers.estimate()) } : null),
    );
  }

  /** The bencoded value whose hash is `target`; null when nobody has it. */
  async getImmutable(target: Uint8Array): Promise<Uint8Array | null> {
    const found = await this.#get(target, ({ value, signed }) =>
      value !== undefined && signed === undefined && Buffer.from(immutableTarget(value)).equals(target)
        ? { value }
        : undefined,
    );
    return found?.value ?? null;
  }

  /** The latest value that the holder of the key published; null when nobody has any. */
  getMutable(publicKey: Uint8Array, salt?: Uint8Array): Promise<Item | null> {
    return this.#get(mutableTarget(publicKey, salt), ({ value, signed }) =>
      value !== undefined &&
      signed !== undefined &&
      Buffer.from(signed.publicKey).equals(publicKey) &&
      isSigned(value, signed, salt)
        ? { value, signed }
        : undefined,
    );
  }

  /** @param value bencode, at most 1,000 bytes @returns how many nodes were told */
  putImmutable(value: Uint8Array): Promise<number> {
    return this.#put(immutableTarget(value), { value });
  }

  /**
   * @param value bencode, at most 1,000 bytes @param signed by `signItem`
   * @param cas stored only where this is the sequence number before @returns how many nodes were told
   */
  putMutable(value: Uint8Array, signed: Signed, salt?: Uint8Array, cas?: bigint): Promise<number> {
    return this.#put(mutableTarget(signed.publicKey, salt), {
      value,
      signed,
      ...(salt === undefined ? {} : { salt }),
      ...(cas === undefined ? {} : { cas }),
    });
  }

  /** Plain data, for `saved` of the next run. */
  save(): SavedDht {
    const saved: { version: 1; v4?: SavedDht['v4']; v6?: SavedDht['v6'] } = { version: 1 };
    for (const overlay of this.#overlays) {
      const { family, table } = overlay;
      const nodes = [...table.entries()].sort(
        (a, b) => a.failures - b.failures || b.lastReplyAt - a.lastReplyAt,
      );
      saved[family === 4 ? 'v4' : 'v6'] = saveOverlay(table.ownId, nodes, overlay.networkSize());
    }
    return saved as SavedDht;
  }

  snapshot(): DhtSnapshot {
    const of = (family: 4 | 6): Overlay | undefined =>
      this.#overlays.find((overlay) => overlay.family === family);
    const sum = (count: (overlay: Overlay) => number): number =>
      this.#overlays.reduce((total, overlay) => total + count(overlay), 0);
    const [four, six] = [of(4), of(6)];
    const joining = this.#overlays.some((overlay) => overlay.isJoining);
    const nodes = sum(({ table }) => table.size);
    const running = this.#started && !this.#closed;
    return {
      state: !running ? 'off' : nodes > 0 ? 'ready' : joining ? 'joining' : 'offline',
      nodes4: four?.table.size ?? 0,
      nodes6: six?.table.size ?? 0,
      port4: four?.port ?? 0,
      port6: six?.port ?? 0,
      externalHost4: four?.externalHost ?? null,
      externalHost6: six?.externalHost ?? null,
      readOnly: this.#readOnly,
      lookups: sum(({ lookups }) => lookups),
      queriesSent: sum(({ queriesSent }) => queriesSent),
      datagramsReceived: sum(({ received }) => received),
      datagramsDropped: sum(({ dropped }) => dropped),
      storedInfoHashes: sum(({ responder }) => responder.peers.infoHashes),
      storedPeers: sum(({ responder }) => responder.peers.peers),
      storedItems: sum(({ responder }) => responder.items.size),
    };
  }

  /** Idempotent. Promises are kept with what is known by now; other lookups end without a word. */
  close(): void {
    this.#closed = true;
    for (const overlay of this.#overlays) overlay.close();
    for (const end of this.#promises) end();
  }

  #overlayOf(host: string): Overlay | undefined {
    const family = familyOf(host);
    return this.#overlays.find((overlay) => overlay.family === family);
  }

  async #get(target: NodeId, accept: (reply: Reply) => Item | undefined): Promise<Item | null> {
    let best: Item | undefined;
    return this.#everywhere(
      () => ({
        query: { method: 'get', target },
        onReply: (_from: NodeContact, reply: Reply) => {
          const item = isNewer(reply.signed, best?.signed) ? accept(reply) : undefined;
          if (item !== undefined) best = item;
        },
      }),
      () => best ?? null,
    );
  }

  async #put(
    target: NodeId,
    item: { value: Uint8Array; signed?: Signed; salt?: Uint8Array; cas?: bigint },
  ): Promise<number> {
    let told = 0;
    return this.#everywhere(
      (overlay) => {
        const tokens = new Map<string, Uint8Array>();
        return {
          query: { method: 'get', target },
          onReply: (from: NodeContact, { token }: Reply) => {
            if (token !== undefined) tokens.set(addressKey(from), token);
          },
          onDone: (closest: readonly NodeContact[]) => {
            told += store(overlay, closest, tokens, (token) => ({ method: 'put', token, ...item }));
          },
        };
      },
      () => told,
    );
  }

  /** The same lookup in both families, and what came of both. */
  #everywhere<T>(
    taskOf: (overlay: Overlay) => Omit<Parameters<Overlay['lookUp']>[0], 'onDone'> & {
      onDone?: (closest: readonly NodeContact[]) => void;
    },
    result: () => T,
  ): Promise<T> {
    return new Promise((resolve) => {
      const isOver = this.#whenThrough();
      const running: RunningLookup[] = [];
      const end = (): void => {
        for (const lookup of running) lookup.cancel();
        this.#promises.delete(end);
        resolve(result());
      };
      this.#promises.add(end);
      if (this.#overlays.length === 0 || this.#closed) end();
      for (const overlay of this.#overlays) {
        const task = taskOf(overlay);
        running.push(
          overlay.lookUp({
            ...task,
            onDone: (closest) => {
              task.onDone?.(closest);
              if (isOver(overlay)) end();
            },
          }),
        );
      }
    });
  }

  /** @returns to be called as each family is through; true once: all are, or know no node to ask */
  #whenThrough(): (overlay: Overlay) => boolean {
    const through = new Set<Overlay>();
    let isOver = false;
    return (overlay) => {
      through.add(overlay);
      if (isOver || !this.#overlays.every((each) => through.has(each) || each.table.size === 0)) return false;
      isOver = true;
      return true;
    };
  }
}

const isNewer = (signed: Signed | undefined, best: Signed | undefined): boolean =>
  best === undefined || (signed !== undefined && signed.sequence > best.sequence);

/** @returns how many were told */
function store(
  overlay: Overlay,
  closest: readonly NodeContact[],
  tokens: ReadonlyMap<string, Uint8Array>,
  queryFor: (token: Uint8Array) => Parameters<Overlay['ask']>[1],
): number {
  let told = 0;
  for (const node of closest) {
    const token = tokens.get(addressKey(node));
    if (token === undefined) continue;
    overlay.ask(node, queryFor(token));
    told++;
  }
  return told;
}

/** A node on the Internet has no business with the addresses of our LAN; each family finds its own peers. */
function usablePeers(from: NodeContact, { values }: Reply, family: 4 | 6): PeerAddress[] {
  const network = networkOf(from.host);
  return values.filter(({ host }) => {
    const of = networkOf(host);
    return of !== undefined && familyOf(host) === family && (!of.local || network?.local === true);
  });
}
