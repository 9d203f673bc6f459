/**
 * Simulation: one scenario under one seed, from the first arrival until every peer that can has finished. One
 * thread, no real time, no chance but the seed's: the same seed delivers the same messages at the same times, and
 * the trace hash says so.
 */
import { shuffle } from '../engine/policy/shuffle.js';
import { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { Clock, Rng } from '../engine/ports.js';
import { asMillis, asPiece, type PeerAddress } from '../engine/units.js';
import { type Behaviour, SWARM } from './behaviour.js';
import { Checks } from './checks.js';
import { EventQueue } from './event-queue.js';
import { EVENT } from './events.js';
import { Host, type HostParts } from './host.js';
import type { MessageKind } from './messages.js';
import { exponential, makeRng, sample } from './prng.js';
import { type RunResult, summarise } from './run-result.js';
import {
  groupSizes,
  leastSeconds,
  type NetworkConditions,
  type Scenario,
  USUAL_CONDITIONS,
} from './scenario.js';
import { Survey } from './survey.js';
import { TraceHash } from './trace-hash.js';
import { VirtualClock } from './virtual-clock.js';
import { VirtualConnection, type Wiring } from './virtual-connection.js';
import { VirtualDialer } from './virtual-dialer.js';
import { VirtualNetwork } from './virtual-network.js';

/** Addresses come from the tracker so long after they were asked for. */
const ANNOUNCE_MS = 150;
/** How often who is done asks whether it is needed. */
const PARTING_CHECK_MS = 500;
/** How often what must hold is looked at. */
const AUDIT_MS = 10_000;
/** Virtual time without a piece finished anywhere, as a share of the least time, and in any case. */
const STALL_SHARE = 0.25;
const LEAST_STALL_MS = 300_000;
/** A run that takes so many times the least time has gone wrong, unless peers keep arriving. */
const LIMIT_SHARE = 60;

/**
 * Jain's index of the slots that seeds give to equals: 0.5 is when half of them get all. The engine's choker has 0.92 or
 * more in flash crowds, 0.75 or more where few equals come and go.
 */
const LEAST_FAIRNESS = 0.6;

/** Streams of randomness, so that one use more in one place changes nothing in another. */
const STREAM = { arrivals: 0, tracker: 1, dialling: 2, hosts: 1_000 } as const;

export interface RunOptions {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly peers: number;
  /** What the honest peers do. */
  readonly policy: Behaviour;
  /** The command that runs it again. */
  readonly replay: string;
  /** Is told every ten seconds of virtual time how far it is. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly atMs: number;
  /** Leechers online. */
  readonly present: number;
  /** Of them, those that lack something. */
  readonly unfinished: number;
  readonly toArrive: number;
}

export function simulate(options: RunOptions): RunResult {
  return new Simulation(options).run();
}

interface Arrival {
  readonly group: string;
  readonly behaviour: Behaviour;
  readonly link: { readonly upKbit: number; readonly downKbit: number };
  readonly isReachable: boolean;
}

class Simulation {
  readonly #options: RunOptions;
  readonly #conditions: NetworkConditions;
  readonly #queue = new EventQueue();
  readonly #clock = new VirtualClock(this.#queue, EVENT.timer);
  readonly #geometry: TorrentGeometry;
  readonly #checks: Checks;
  readonly #network: VirtualNetwork;
  readonly #wiring: Wiring;
  readonly #hosts: Host[] = [];
  readonly #byAddress = new Map<string, Host>();
  /** By end of a connection. */
  readonly #ends: VirtualConnection[] = [];
  readonly #trackerRng: Rng;
  readonly #dialRng: Rng;
  readonly #trace = new TraceHash();
  readonly #survey: Survey;
  readonly #leastMs: number;
  #toArrive = 0;
  #unfinished = 0;
  #progressAt = 0;
  #piecesBefore = 0;
  #starved = 0;

  constructor(options: RunOptions) {
    const { scenario, seed, peers, replay } = options;
    this.#options = options;
    this.#conditions = { ...USUAL_CONDITIONS, ...scenario.network };
    this.#geometry = new TorrentGeometry(scenario.pieceBytes, scenario.pieces * scenario.pieceBytes);
    this.#checks = new Checks(() => this.#queue.now, replay);
    this.#network = new VirtualNetwork(this.#queue, this.#conditions, {
      onSent: (end) => this.#ends[end]?.onSent(),
    });
    this.#wiring = {
      queue: this.#queue,
      network: this.#network,
      geometry: this.#geometry,
      sendBufferBytes: this.#conditions.sendBufferBytes,
    };
    this.#trackerRng = makeRng(seed, STREAM.tracker);
    this.#dialRng = makeRng(seed, STREAM.dialling);
    this.#leastMs = leastSeconds(scenario, peers) * 1000;
    this.#survey = new Survey(this.#network, (address) => this.#byAddress.get(address)!.group);
  }

  run(): RunResult {
    const { scenario } = this.#options;
    for (const group of scenario.seeds) {
      for (let i = 0; i < group.count; i++) {
        const seed = this.#join(
          { group: 'seed', behaviour: SWARM, link: group.link, isReachable: true },
          true,
        );
        if (group.leavesAfterMs !== undefined) this.#later(group.leavesAfterMs, () => seed.leave());
      }
    }
    this.#scheduleArrivals();
    this.#every(AUDIT_MS, () => this.#audit());
    this.#every(this.#survey.intervalMs(this.#leastMs), () =>
      this.#survey.look(this.#queue.now, this.#hosts),
    );
    this.#queue.run(
      {
        run: (node) => this.#runEvent(node),
        onTickEnd: () => this.#network.onTickEnd(),
      },
      Number.MAX_SAFE_INTEGER,
    );
    this.#audit();
    this.#checkFairness();
    return summarise({
      scenario,
      seed: this.#options.seed,
      peers: this.#options.peers,
      policy: this.#options.policy.name,
      leastMs: this.#leastMs,
      geometry: this.#geometry,
      hosts: this.#hosts,
      starved: this.#starved,
      survey: this.#survey,
      traceHash: this.#trace.digest(),
      messages: this.#trace.count,
      events: this.#queue.executed,
      checks: this.#checks.count,
      unsettled: this.#network.unsettled,
    });
  }

  // ─── Events ────────────────────────────────────────────────────────────────────────────────────────────

  #runEvent(node: number): void {
    const queue = this.#queue;
    switch (queue.kindOf(node)) {
      case EVENT.message: {
        const end = queue.a(node);
        const kind = queue.b(node) as MessageKind;
        const piece = queue.c(node);
        const begin = queue.d(node);
        queue.free(node);
        this.#trace.add(queue.now, end, kind, piece, begin);
        this.#ends[end]!.onMessage(kind, asPiece(piece), begin);
        break;
      }
      case EVENT.link:
        this.#network.onLinkEvent(node);
        break;
      case EVENT.flushed: {
        const end = queue.a(node);
        queue.free(node);
        this.#ends[end]!.onFlushed();
        break;
      }
      default:
        this.#clock.fire(node);
    }
  }

  #every(ms: number, run: () => void): void {
    this.#clock.schedule(asMillis(this.#queue.now + ms), () => {
      run();
      this.#every(ms, run);
    });
  }

  #later(ms: number, run: () => void): void {
    this.#clock.schedule(asMillis(this.#queue.now + ms), run);
  }

  // ─── Coming and going ──────────────────────────────────────────────────────────────────────────────────

  #scheduleArrivals(): void {
    const { scenario, seed, peers, policy } = this.#options;
    const rng = makeRng(seed, STREAM.arrivals);
    const sizes = groupSizes(scenario.leechers, peers);
    const arrivals = scenario.leechers.flatMap((group, i) =>
      Array.from({ length: sizes[i]! }, () => ({
        group: group.name,
        behaviour: group.behaviour ?? policy,
        link: group.link,
        isReachable: group.reachable ?? true,
      })),
    );
    // A chain's order is part of what it is; elsewhere groups come mixed.
    if (scenario.neighbours.kind === 'tracker') shuffle(arrivals, rng);
    this.#toArrive = arrivals.length;
    let at = 0;
    arrivals.forEach((arrival, i) => {
      const { arrivals: how } = scenario;
      if (how.kind === 'poisson') at += exponential(rng, how.perSecond / 1000);
      else at = (how.withinMs * i) / arrivals.length;
      this.#later(at, () => {
        this.#toArrive--;
        this.#unfinished++;
        this.#join(arrival, false);
      });
    });
  }

  #join({ group, behaviour, link, isReachable }: Arrival, isSeed: boolean): Host {
    const index = this.#network.addHost(link);
    const clock: Clock = this.#clock;
    const parts: HostParts = {
      index,
      group,
      behaviour: isSeed ? { ...this.#options.policy, name: 'seed' } : behaviour,
      isSeed,
      isReachable,
      geometry: this.#geometry,
      clock,
      rng: makeRng(this.#options.seed, STREAM.hosts + index),
      checks: this.#checks,
      dialerOf: (host) =>
        new VirtualDialer(
          {
            clock,
            rng: this.#dialRng,
            oneWayMs: this.#network.oneWayMs,
            dialLoss: this.#conditions.dialLoss,
            hostAt: (address) => this.#byAddress.get(address.host),
            connect: (from, to) => this.#connect(from, to),
          },
          host,
        ),
      wantPeers: (host) => this.#announce(host),
      onFinished: (host) => this.#onFinished(host),
      onEveryBlockSent: (host) => this.#onEveryBlockSent(host),
    };
    const host = new Host(parts);
    this.#hosts.push(host);
    this.#byAddress.set(host.address.host, host);
    this.#announce(host);
    return host;
  }

  #announce(host: Host): void {
    this.#later(ANNOUNCE_MS, () => {
      if (host.isOnline) host.swarm.onPeersFound(this.#neighboursOf(host), 'tracker');
    });
  }

  #neighboursOf(host: Host): PeerAddress[] {
    const { neighbours } = this.#options.scenario;
    if (neighbours.kind !== 'tracker') {
      const known = neighbours.kind === 'chain' ? host.index - 1 : 0;
      return host.isSeed ? [] : [this.#hosts[known]!.address];
    }
    // Each dials half of what it lacks; the others dial it. Who asks with enough of them gets nothing from those: a few.
    const { size } = host.swarm.state.peers;
    const lacking = Math.max(neighbours.degree - size, neighbours.degree / 8);
    const online = this.#hosts.filter((other) => other.isOnline && other !== host);
    const chosen = sample(this.#trackerRng, online.length, Math.ceil(lacking / 2));
    return chosen.map((i) => online[i]!.address);
  }

  #connect(from: Host, to: Host): { dialled: VirtualConnection; accepted: VirtualConnection } {
    const end = this.#network.connect(from.index, to.index);
    // A dialling socket's port says nothing of where its host listens.
    const port = 49_152 + ((end >>> 1) % 16_384);
    const dialled = new VirtualConnection(this.#wiring, end, from, to.address, to.identity, false);
    const remote = { host: from.address.host, port };
    const accepted = new VirtualConnection(this.#wiring, end + 1, to, remote, from.identity, true);
    dialled.other = accepted;
    accepted.other = dialled;
    this.#ends.push(dialled, accepted);
    return { dialled, accepted };
  }

  #onFinished(host: Host): void {
    this.#unfinished--;
    this.#progressAt = this.#queue.now;
    const { departure } = this.#options.scenario;
    // Not during a call into the swarm.
    if (departure.kind === 'leave') this.#later(departure.lingerMs, () => host.leave());
    if (departure.kind === 'part') this.#later(0, () => this.#part(host));
    this.#stopWhenDone();
  }

  #part(host: Host): void {
    if (host.swarm.isNeeded) this.#later(PARTING_CHECK_MS, () => this.#part(host));
    else host.leave();
  }

  #onEveryBlockSent(host: Host): void {
    const group = this.#options.scenario.seeds[0];
    const afterMs = group?.leavesAfterCopyMs;
    if (afterMs !== undefined) this.#later(afterMs, () => host.leave());
  }

  #stopWhenDone(): void {
    if (this.#unfinished === 0 && this.#toArrive === 0) this.#queue.stop();
  }

  // ─── What must hold ────────────────────────────────────────────────────────────────────────────────────

  #audit(): void {
    const now = this.#queue.now;
    let pieces = 0;
    let present = 0;
    for (const host of this.#hosts) {
      pieces += host.have.count;
      if (!host.isOnline) continue;
      host.audit();
      if (!host.isSeed) present++;
    }
    this.#options.onProgress?.({
      atMs: now,
      present,
      unfinished: this.#unfinished,
      toArrive: this.#toArrive,
    });
    if (pieces !== this.#piecesBefore) {
      this.#piecesBefore = pieces;
      this.#progressAt = now;
    }
    const stallMs = Math.max(LEAST_STALL_MS, STALL_SHARE * this.#leastMs);
    if (this.#unfinished > 0 && now - this.#progressAt > stallMs) this.#onStall();
    if (this.#options.scenario.arrivals.kind === 'flash' && now > LIMIT_SHARE * this.#leastMs)
      this.#checks.fail('the swarm takes for ever', `${this.#unfinished} unfinished`);
  }

  #checkFairness(): void {
    const fairness = this.#survey.seedFairness;
    if (this.#options.policy.isFair !== true || fairness === undefined) return;
    if (!this.#checks.holds(fairness >= LEAST_FAIRNESS))
      this.#checks.fail('a seed prefers some of its equals', fairness.toFixed(2));
  }

  /** Nobody progresses: right only where nobody can, as pieces are lost for good, or who is left has lied. */
  #onStall(): void {
    const online = this.#hosts.filter((host) => host.isOnline && host.behaviour.uploadsNothing !== true);
    let lost = 0;
    for (let piece = 0; piece < this.#geometry.pieceCount; piece++) {
      if (!online.some((host) => host.have.get(asPiece(piece)))) lost++;
    }
    const isHonestLeft = this.#hosts.some(
      (host) => host.isOnline && !host.isFinished && host.behaviour.tale === undefined,
    );
    if (lost === 0 && isHonestLeft)
      this.#checks.fail('nobody progresses, though all pieces are there', `${this.#unfinished} unfinished`);
    if (this.#toArrive > 0) return;
    this.#starved = this.#unfinished;
    this.#queue.stop();
  }
}
