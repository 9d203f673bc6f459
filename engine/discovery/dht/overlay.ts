/**
 * One address family's DHT (BEP 32 keeps the two apart): its socket, routing table, queries, answers and upkeep.
 * Joins through whoever it is told of, looks up targets, and pings who is questionable.
 */
import type { Clock, TimerHandle } from '../../ports.js';
import { addressKey, asMillis, type Millis, type PeerAddress, type Rng } from '../../units.js';
import { ipBytes } from '../compact-peers.js';
import type { DatagramSocket } from './datagram-socket.js';
import { ExternalAddress } from './external-address.js';
import { ERROR, type Message, type Query, type Reply, readMessage } from './krpc.js';
import { Lookup } from './lookup.js';
import { mayName, networkOf } from './node-address.js';
import {
  distanceShare,
  ID_BYTES,
  type NodeContact,
  type NodeId,
  type RandomBytes,
  randomIdBeside,
} from './node-id.js';
import { Queries } from './queries.js';
import { QueryLimits } from './query-limits.js';
import { Responder } from './responder.js';
import { K, QUESTIONABLE_MS, RoutingTable, type TableEntry } from './routing-table.js';
import { isSecureId, makeSecureId } from './secure-id.js';

/** Lookups at once; more wait for their turn. */
const MAX_LOOKUPS = 12;
const MAX_WAITING_LOOKUPS = 500;
/** Nodes of the table that a lookup begins with. */
const FIRST_NODES = 40;
/** Nodes at once whose existence is being checked: with forged addresses we cannot be made to send more. */
const MAX_CHECKS = 16;
/** Addresses that answered us, beside those in the table. */
const MAX_PROVEN = 2_048;
const TICK_MS = 10_000;
/** Questionable nodes asked in a tick: a full table within 15 minutes. */
const CHECKS_PER_TICK = 4;
const SWEEP_EVERY_TICKS = 30;
/** Without any node, the entry points are asked again after so long, then after twice as long, …. */
const REJOIN_MS = 5_000;
const MAX_REJOIN_MS = 5 * 60_000;
const MAX_ENTRY_POINTS = 16;
/** Estimates of the network's size, of which the middle one counts. */
const MAX_SIZES = 15;

export interface OverlayOptions {
  readonly socket: DatagramSocket;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly randomBytes: RandomBytes;
  readonly id?: NodeId;
  /** About how many nodes the network had, when that was known. */
  readonly networkSize?: number | undefined;
  /** Unreachable from outside: answers nothing, and says so (BEP 43). */
  /** Towards that host (BEP 43). */
  readonly isReadOnly: (host: string) => boolean;
  /** The other family's, where there is one. */
  readonly sibling: () => Overlay | undefined;
  /** Literal addresses to join through when no node is known. */
  readonly entryPoints: () => Promise<readonly PeerAddress[]>;
  /** With 8 places in every bucket; for simulations of many nodes. */
  readonly narrowTable?: boolean;
}

export interface LookupTask {
  /** Sent to everybody on the way. */
  readonly query: Extract<Query, { readonly target: NodeId }>;
  onReply?(from: NodeContact, reply: Reply): void;
  /** @param closest that answered; not called after `cancel` */
  onDone?(closest: readonly NodeContact[], queries: number): void;
  /** Nodes to begin with beside those of the table. */
  readonly seeds?: readonly NodeContact[];
}

export interface RunningLookup {
  cancel(): void;
}

export class Overlay {
  readonly table: RoutingTable;
  readonly responder: Responder;
  readonly #options: OverlayOptions;
  readonly #queries: Queries;
  readonly #limits: QueryLimits;
  readonly #external = new ExternalAddress();
  readonly #checks = new Set<string>();
  /** Address → when it answered. */
  readonly #proven = new Map<string, Millis>();
  readonly #waiting: (() => void)[] = [];
  readonly #sizes: number[] = [];
  #running = 0;
  #joining = false;
  #rejoinMs = REJOIN_MS;
  #tick: TimerHandle | undefined;
  #rejoin: TimerHandle | undefined;
  #ticks = 0;
  #closed = false;
  /** Datagrams and queries since the start. */
  received = 0;
  /** Malformed, unasked for, or beyond a limit. */
  dropped = 0;

  constructor(options: OverlayOptions) {
    this.#options = options;
    const { socket, clock, rng, randomBytes, isReadOnly } = options;
    this.table = new RoutingTable(options.id ?? randomBytes(ID_BYTES), options.narrowTable !== true);
    const ownId = (): NodeId => this.table.ownId;
    this.#queries = new Queries({ socket, clock, randomBytes, ownId, isReadOnly });
    this.#limits = new QueryLimits(clock.now());
    if (options.networkSize !== undefined)
      this.#sizes.push(...new Array<number>(3).fill(options.networkSize));
    this.responder = new Responder(
      {
        family: socket.family,
        randomBytes,
        rng,
        ownId,
        closest: (family, target) =>
          (family === socket.family ? this : options.sibling())?.table.closestGood(target) ?? [],
        send: (datagram, to) => socket.send(datagram, to),
        isProven: (address) => this.#isProven(address),
        prove: (address, done) => this.#prove(address, done),
      },
      clock.now(),
    );
  }

  get family(): 4 | 6 {
    return this.#options.socket.family;
  }

  get port(): number {
    return this.#options.socket.port;
  }

  get queriesSent(): number {
    return this.#queries.sent;
  }

  get lookups(): number {
    return this.#running;
  }

  get isJoining(): boolean {
    return this.#joining;
  }

  /** Our address as most others see it. */
  get externalHost(): string | undefined {
    return this.#external.host;
  }

  start(): void {
    this.#arm();
    if (this.table.size > 0) this.#lookUpSelf([]);
    else this.#join();
  }

  /** Somebody says that a node is there (a torrent, a peer's PORT message, the LAN): asks it. */
  addNode(address: PeerAddress): void {
    if (this.table.get(address) !== undefined) return;
    const wasAlone = this.table.size === 0;
    this.#check(address, (reply) => {
      if (reply === undefined) return;
      if (wasAlone && !this.#joining) this.#lookUpSelf([]);
      // The entry points may be silent: those who wait have somebody to begin with now.
      else this.#runWaiting();
    });
  }

  /** Waits for its turn, and while no node is known. */
  lookUp(task: LookupTask): RunningLookup {
    const state = { cancelled: false };
    const begin = (): void => {
      if (!state.cancelled) this.#run(task, state);
    };
    if (this.#closed) task.onDone?.([], 0);
    else if (this.#running < MAX_LOOKUPS && this.table.size > 0) begin();
    else if (this.#waiting.length < MAX_WAITING_LOOKUPS) this.#waiting.push(begin);
    else task.onDone?.([], 0);
    return {
      cancel: () => {
        state.cancelled = true;
        const at = this.#waiting.indexOf(begin);
        if (at >= 0) this.#waiting.splice(at, 1);
      },
    };
  }

  /** A single query outside of any lookup. */
  ask(to: PeerAddress, query: Query, done?: (reply: Reply | undefined) => void): void {
    const sent = this.#send(to, query, {
      onReply: (reply) => done?.(reply),
      onFail: () => done?.(undefined),
    });
    if (!sent) done?.(undefined);
  }

  onDatagram(datagram: Uint8Array, from: PeerAddress): void {
    if (this.#closed) return;
    this.received++;
    const network = networkOf(from.host);
    const message = network === undefined ? undefined : readMessage(datagram, this.family);
    if (network === undefined || message === undefined) {
      this.dropped++;
      return;
    }
    if (message.kind === 'reply' || message.kind === 'error') {
      if (!this.#queries.onAnswer(message, from)) this.dropped++;
      else if (message.kind === 'reply' && message.seenAs !== undefined) {
        const moved = this.#external.onVote(network, message.seenAs.host);
        if (moved !== undefined) this.#onMoved(moved);
      }
      return;
    }
    if (this.#options.isReadOnly(from.host)) return;
    if (!this.#limits.admit(network, addressKey(from), this.#options.clock.now())) {
      this.dropped++;
      return;
    }
    this.#onQuery(message, from, datagram.length);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tick?.cancel();
    this.#rejoin?.cancel();
    this.#queries.close();
    this.#waiting.length = 0;
    this.#options.socket.close();
  }

  /** About how many nodes there are; undefined while too few are known. */
  networkSize(): number | undefined {
    const own = this.table.estimateNetworkSize();
    const sizes = [...this.#sizes, ...(own === undefined ? [] : [own])].sort((a, b) => a - b);
    return sizes[sizes.length >>> 1];
  }

  // ─── Queries ───────────────────────────────────────────────────────────────────────────────────────────

  /** Every query of ours goes through here: the table learns who answers and who does not. */
  #send(
    to: PeerAddress,
    query: Query,
    handler: { onReply(reply: Reply): void; onSlow?(): void; onFail(): void },
  ): boolean {
    if (this.#closed) return false;
    return this.#queries.send(
      to,
      query,
      {
        onReply: (reply, rttMs) => {
          const now = this.#options.clock.now();
          this.#setProven(to, now);
          const doubted = this.table.onReply({ id: reply.id, ...plain(to) }, rttMs, now);
          if (doubted !== undefined) this.#check(doubted);
          this.#shareNodes(reply, to);
          handler.onReply(reply);
        },
        ...(handler.onSlow === undefined ? {} : { onSlow: () => handler.onSlow?.() }),
        onFail: (isThere) => {
          if (!isThere) this.table.onFailure(to);
          handler.onFail();
        },
      },
      this.table.get(to)?.rttMs,
    );
  }

  /** Asks a node that we are not sure of whether it is there. */
  #check(address: PeerAddress, done?: (reply: Reply | undefined) => void): void {
    const key = addressKey(address);
    if (this.#checks.size >= MAX_CHECKS || this.#checks.has(key)) {
      done?.(undefined);
      return;
    }
    this.#checks.add(key);
    this.ask(address, { method: 'ping' }, (reply) => {
      this.#checks.delete(key);
      done?.(reply);
    });
  }

  #prove(address: PeerAddress, done: (isThere: boolean) => void): void {
    this.#check(address, (reply) => done(reply !== undefined));
  }

  #setProven(address: PeerAddress, now: Millis): void {
    const key = addressKey(address);
    this.#proven.delete(key);
    this.#proven.set(key, now);
    const oldest = this.#proven.keys().next();
    if (this.#proven.size > MAX_PROVEN && oldest.done !== true) this.#proven.delete(oldest.value);
  }

  #isProven(address: PeerAddress): boolean {
    const at = this.#proven.get(addressKey(address));
    return at !== undefined && at > this.#options.clock.now() - QUESTIONABLE_MS;
  }

  /** Nodes of the other family are of use to the other DHT only. */
  #shareNodes(reply: Reply, from: PeerAddress): void {
    const others = this.family === 4 ? reply.nodes6 : reply.nodes;
    const sibling = others.length > 0 ? this.#options.sibling() : undefined;
    const network = networkOf(from.host);
    if (sibling === undefined || network === undefined) return;
    for (const contact of others)
      if (mayName(network, contact) && sibling.table.wants(contact)) sibling.addNode(contact);
  }

  #onQuery(
    message: Extract<Message, { kind: 'query' | 'bad-query' }>,
    from: PeerAddress,
    lengthBytes: number,
  ): void {
    const { transaction } = message;
    if (message.kind === 'bad-query') {
      const text = message.code === ERROR.unknownMethod ? 'Method Unknown' : 'Protocol Error';
      this.responder.error(transaction, from, message.code, text);
      return;
    }
    const { query, readOnly, id } = message;
    this.responder.answer({ transaction, query, from, lengthBytes, readOnly }, this.#options.clock.now());
    if (!readOnly && this.table.wants({ id, ...plain(from) })) this.addNode(from);
  }

  // ─── Lookups ───────────────────────────────────────────────────────────────────────────────────────────

  #run({ query, onReply, onDone, seeds }: LookupTask, state: { cancelled: boolean }): void {
    this.#running++;
    const lookup = new Lookup(query.target, this.table.ownId, this.networkSize());
    lookup.add(this.table.closest(query.target, FIRST_NODES));
    lookup.add(seeds ?? []);
    let done = false;
    const pump = (): void => {
      if (done) return;
      for (let node = lookup.next(); node !== undefined && !state.cancelled; node = lookup.next()) ask(node);
      if (!lookup.isDone && !state.cancelled) return;
      done = true;
      this.#running--;
      if (!state.cancelled) onDone?.(lookup.closest(), lookup.queries);
      this.#runWaiting();
    };
    const ask = (node: NodeContact): void => {
      const sent = this.#send(node, query, {
        onReply: (reply) => {
          const named = this.family === 4 ? reply.nodes : reply.nodes6;
          if (!done && lookup.onAnswer(node, reply.id, named) && !state.cancelled) onReply?.(node, reply);
          pump();
        },
        onSlow: () => {
          lookup.onSlow(node);
          pump();
        },
        onFail: () => {
          lookup.onDead(node);
          pump();
        },
      });
      if (!sent) lookup.onDead(node);
    };
    pump();
  }

  #runWaiting(): void {
    while (this.#running < MAX_LOOKUPS && this.table.size > 0) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      begin();
    }
  }

  // ─── Joining and upkeep ────────────────────────────────────────────────────────────────────────────────

  /** Asks the entry points for nodes near us, until one answers. */
  #join(): void {
    if (this.#joining || this.#closed) return;
    this.#joining = true;
    this.#options.entryPoints().then(
      (addresses) => this.#askEntryPoints(addresses),
      () => this.#askEntryPoints([]),
    );
  }

  #askEntryPoints(addresses: readonly PeerAddress[]): void {
    if (this.#closed) return;
    const asked = addresses.slice(0, MAX_ENTRY_POINTS);
    let left = asked.length;
    let isIn = false;
    const query = { method: 'find_node', target: this.table.ownId, ...this.#wantBoth() } as const;
    const end = (): void => {
      if (left > 0 || isIn) return;
      this.#joining = false;
      if (this.#hasLiveNode()) this.#lookUpSelf([]);
      else this.#rejoinLater();
    };
    for (const address of asked) {
      this.ask(address, query, (reply) => {
        left--;
        const nodes = this.family === 4 ? reply?.nodes : reply?.nodes6;
        if (reply !== undefined && !isIn) {
          isIn = true;
          this.#lookUpSelf(nodes ?? []);
        } else for (const node of nodes ?? []) if (this.table.wants(node)) this.addNode(node);
        end();
      });
    }
    end();
  }

  #rejoinLater(): void {
    this.#rejoin?.cancel();
    this.#rejoin = this.#options.clock.schedule(asMillis(this.#options.clock.now() + this.#rejoinMs), () => {
      if (this.#hasLiveNode()) this.#rejoinMs = REJOIN_MS;
      else this.#join();
    });
    this.#rejoinMs = Math.min(2 * this.#rejoinMs, MAX_REJOIN_MS);
  }

  /** Fills the buckets near us; who is close to us learns that we are there. */
  #lookUpSelf(seeds: readonly NodeContact[]): void {
    this.#joining = true;
    const query = { method: 'find_node', target: this.table.ownId, ...this.#wantBoth() } as const;
    this.#run(
      {
        query,
        seeds,
        onDone: (closest) => {
          this.#joining = false;
          this.#noteSize(query.target, closest);
          if (closest.length > 0) this.#rejoinMs = REJOIN_MS;
          else if (!this.#hasLiveNode()) this.#join();
        },
      },
      { cancelled: false },
    );
    this.#runWaiting();
  }

  #wantBoth(): { readonly want?: readonly (4 | 6)[] } {
    return this.#options.sibling() === undefined ? {} : { want: [4, 6] };
  }

  #hasLiveNode(): boolean {
    for (const entry of this.table.entries()) if (isAlive(entry)) return true;
    return false;
  }

  #arm(): void {
    const { clock, rng } = this.#options;
    // Nodes that were started together do not stay in step.
    this.#tick = clock.schedule(asMillis(clock.now() + TICK_MS * (0.75 + rng() / 2)), () => {
      this.#arm();
      this.#upkeep();
    });
  }

  #upkeep(): void {
    const now = this.#options.clock.now();
    // Not among the checks that strangers cause: those must not be able to keep the table from being kept up.
    for (const entry of this.table.questionable(now, CHECKS_PER_TICK)) this.ask(entry, { method: 'ping' });
    if (++this.#ticks % SWEEP_EVERY_TICKS === 0) this.responder.sweep(now);
    if (!this.#hasLiveNode()) {
      if (!this.#joining && this.#rejoinMs === REJOIN_MS) this.#join();
      return;
    }
    const bits = this.table.takeStaleBucket(now);
    if (bits !== undefined) this.refresh(randomIdBeside(this.table.ownId, bits, this.#options.randomBytes));
  }

  /** Looks up an id that nobody could foresee: fills the buckets around it, and says how many nodes there are. */
  refresh(target: NodeId, onDone?: () => void): void {
    this.lookUp({
      query: { method: 'find_node', target },
      onDone: (closest) => {
        this.#noteSize(target, closest);
        onDone?.();
      },
    });
  }

  #noteSize(target: NodeId, closest: readonly NodeContact[]): void {
    const farthest = closest[K - 1];
    if (farthest === undefined) return;
    this.#sizes.push(K / Math.max(distanceShare(target, farthest.id), Number.EPSILON));
    if (this.#sizes.length > MAX_SIZES) this.#sizes.shift();
  }

  /** Others see us at an address that our id does not belong to. */
  #onMoved(host: string): void {
    const ip = ipBytes(host);
    if (ip === undefined || networkOf(host) === undefined || isSecureId(this.table.ownId, host)) return;
    this.table.changeId(makeSecureId(ip, this.#options.randomBytes));
    this.#lookUpSelf([]);
  }
}

const plain = ({ host, port }: PeerAddress): PeerAddress => ({ host, port });
const isAlive = ({ failures, lastReplyAt }: TableEntry): boolean =>
  failures === 0 && Number.isFinite(lastReplyAt);
