/**
 * One address family's DHT (BEP 32 keeps the two apart): its socket, routing table, queries, answers and upkeep.
 * Joins through whoever it is told of, looks up targets, and pings who is questionable.
 */

import { ipBytes } from '../../policy/ip-address.js';
import type { Clock, TimerHandle } from '../../ports.js';
import { addressKey, asMillis, type PeerAddress, type Rng } from '../../units.js';
import type { DatagramSocket } from './datagram-socket.js';
import { ExternalAddress } from './external-address.js';
import { Joining } from './joining.js';
import { ERROR, type Message, type Query, type Reply, readMessage } from './krpc.js';
import { Lookups, type LookupTask, type QueryHandler, type RunningLookup } from './lookups.js';
import { NamedNodes } from './named-nodes.js';
import { NeighbourLimit } from './neighbour-limit.js';
import { NetworkSize } from './network-size.js';
import { mayName, networkOf } from './node-address.js';
import { NodeChecks } from './node-checks.js';
import { ID_BYTES, type NodeId, type RandomBytes, randomIdBeside } from './node-id.js';
import { Queries } from './queries.js';
import { QueryLimits } from './query-limits.js';
import { Responder } from './responder.js';
import { RoutingTable } from './routing-table.js';
import { isSecureId, makeSecureId } from './secure-id.js';

const TICK_MS = 10_000;
/** Questionable nodes asked in a tick: a full table within 15 minutes. */
const CHECKS_PER_TICK = 4;
const SWEEP_EVERY_TICKS = 30;

/**
 * Who says that a node is there. `torrent`: its author, whom the user chose. `neighbour`: a datagram of the local
 * network. `stranger`: a peer, a node.
 */
export type NodeTeller = 'torrent' | 'neighbour' | 'stranger';

export interface OverlayOptions {
  readonly socket: DatagramSocket;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly randomBytes: RandomBytes;
  readonly id?: NodeId;
  /** About how many nodes the network had, when that was known. */
  readonly networkSize?: number | undefined;
  /** Unreachable for that host: answers nothing, and says so (BEP 43). */
  readonly isReadOnly: (host: string) => boolean;
  /** The other family's, where there is one. */
  readonly sibling: () => Overlay | undefined;
  /** Literal addresses to join through when no node is known. */
  readonly entryPoints: () => Promise<readonly PeerAddress[]>;
  /** With 8 places in every bucket; for simulations of many nodes. */
  readonly narrowTable?: boolean;
}

export class Overlay {
  readonly table: RoutingTable;
  readonly responder: Responder;
  readonly #options: OverlayOptions;
  readonly #queries: Queries;
  readonly #limits: QueryLimits;
  readonly #external = new ExternalAddress();
  readonly #checks = new NodeChecks((address, done) => this.ask(address, { method: 'ping' }, done));
  readonly #named: NamedNodes;
  readonly #neighbours = new NeighbourLimit();
  readonly #lookups: Lookups;
  readonly #joining: Joining;
  readonly #size: NetworkSize;
  #tick: TimerHandle | undefined;
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
    this.#size = new NetworkSize(options.networkSize);
    this.#lookups = new Lookups({
      ...{ family: socket.family, table: this.table },
      send: (to, query, handler) => this.#send(to, query, handler),
      networkSize: () => this.networkSize(),
    });
    this.#joining = new Joining({
      ...{ clock, family: socket.family, table: this.table, size: this.#size },
      entryPoints: options.entryPoints,
      hasSibling: () => options.sibling() !== undefined,
      addNode: (address) => this.addNode(address),
      ask: (to, query, done) => this.ask(to, query, done),
      run: (task) => this.#lookups.runFirst(task),
    });
    this.#named = new NamedNodes({
      clock,
      isAlone: () => !this.table.hasLiveNode,
      ask: (address, done) =>
        this.ask(
          address,
          { method: 'ping' },
          this.#onAsked((reply) => done(reply !== undefined)),
        ),
    });
    this.responder = new Responder(
      {
        family: socket.family,
        randomBytes,
        rng,
        ownId,
        closest: (family, target) =>
          (family === socket.family ? this : options.sibling())?.table.closestGood(target) ?? [],
        send: (datagram, to) => socket.send(datagram, to),
        isProven: (address) => this.#checks.isProven(address, clock.now()),
        prove: (address, done) => this.#checks.check(address, (reply) => done(reply !== undefined)),
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
    return this.#lookups.running;
  }

  get isJoining(): boolean {
    return this.#joining.isUnderWay;
  }

  /** Our address as most others see it. */
  get externalHost(): string | undefined {
    return this.#external.host;
  }

  start(): void {
    this.#arm();
    if (this.table.size > 0) this.#joining.lookUpSelf([]);
    else this.#joining.join();
  }

  /** Somebody says that a node is there: asks it. */
  addNode(address: PeerAddress, by: NodeTeller = 'stranger'): void {
    if (this.#closed || this.table.get(address) !== undefined) return;
    if (by === 'torrent') this.#named.add(address);
    else if (
      by === 'stranger' ||
      this.#neighbours.admits(address.host, this.table.size, this.#options.clock.now())
    )
      this.#checks.check(
        address,
        this.#onAsked(() => {}),
      );
  }

  /** For who is asked now. */
  #onAsked(then: (reply: Reply | undefined) => void): (reply: Reply | undefined) => void {
    const wasAlone = this.table.size === 0;
    return (reply) => {
      if (reply !== undefined) {
        if (wasAlone && !this.#joining.isUnderWay) this.#joining.lookUpSelf([]);
        // The entry points may be silent: those who wait have somebody to begin with now.
        else this.#lookups.runWaiting();
      }
      then(reply);
    };
  }

  /** Waits for its turn, and while no node is known. */
  lookUp(task: LookupTask): RunningLookup {
    if (!this.#closed) return this.#lookups.lookUp(task);
    task.onDone?.([], 0);
    return { cancel: () => {} };
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
    this.#joining.close();
    this.#named.close();
    this.#lookups.close();
    this.#queries.close();
    this.#options.socket.close();
  }

  /** About how many nodes there are; undefined while too few are known. */
  networkSize(): number | undefined {
    return this.#size.nodes(this.table.estimateNetworkSize());
  }

  // ─── Queries ───────────────────────────────────────────────────────────────────────────────────────────

  /** Every query of ours goes through here: the table learns who answers and who does not. */
  #send(to: PeerAddress, query: Query, handler: QueryHandler): boolean {
    if (this.#closed) return false;
    return this.#queries.send(
      to,
      query,
      {
        onReply: (reply, rttMs) => {
          const now = this.#options.clock.now();
          this.#checks.onAnswer(to, now);
          const doubted = this.table.onReply({ id: reply.id, ...plain(to) }, rttMs, now);
          if (doubted !== undefined) this.#checks.check(doubted);
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

  // ─── Upkeep ────────────────────────────────────────────────────────────────────────────────────────────

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
    this.#joining.upkeep();
    if (!this.table.hasLiveNode) return;
    const bits = this.table.takeStaleBucket(now);
    if (bits !== undefined) this.refresh(randomIdBeside(this.table.ownId, bits, this.#options.randomBytes));
  }

  /** Looks up an id that nobody could foresee: fills the buckets around it, and says how many nodes there are. */
  refresh(target: NodeId, onDone?: () => void): void {
    this.lookUp({
      query: { method: 'find_node', target },
      onDone: (closest) => {
        this.#size.onLookup(target, closest);
        onDone?.();
      },
    });
  }

  /** Others see us at an address that our id does not belong to. */
  #onMoved(host: string): void {
    const ip = ipBytes(host);
    if (ip === undefined || networkOf(host) === undefined || isSecureId(this.table.ownId, host)) return;
    this.table.changeId(makeSecureId(ip, this.#options.randomBytes));
    this.#joining.lookUpSelf([]);
  }
}

const plain = ({ host, port }: PeerAddress): PeerAddress => ({ host, port });
