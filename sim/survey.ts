/**
 * Survey: looks at the swarm now and then, and adds up what uplinks are used for, and why the rest lies idle:
 * where the time goes that a swarm takes beyond the least.
 */
import type { Peer } from '../engine/swarm/peer.js';
import type { Host } from './host.js';
import type { VirtualNetwork } from './virtual-network.js';

/** Looks a run, about. */
const LOOKS = 400;
/** A peer that wanted a seed's slots for less time may have had none by chance: a turn takes up to three minutes. */
const LEAST_INTEREST_MS = 900_000;

/** Why a part of an uplink lies idle. */
export const IDLE_CAUSES = [
  /** It has no pieces yet, or no connections. */
  'empty',
  /** Nobody wants what it has. */
  'unwanted',
  /** Somebody wants it, and is choked. */
  'choked',
  /** Somebody may ask, and does not. */
  'unasked',
  /** It sends, and its receivers' links are full. */
  'receivers',
] as const;
export type IdleCause = (typeof IDLE_CAUSES)[number];

export interface Look {
  readonly atMs: number;
  /** Share of all uplinks, of who is online, that is used. */
  readonly uplinkUse: number;
  /** Shares of all uplinks that lie idle, by cause. */
  readonly idle: Readonly<Record<IdleCause, number>>;
  readonly finished: number;
  /** Leechers online, finished ones that linger included. */
  readonly present: number;
  /** Blocks that the first seed sent again, before it had sent each once. */
  readonly seedDuplicates: number;
}

export class Survey {
  readonly looks: Look[] = [];
  readonly #network: VirtualNetwork;
  readonly #unchoked = new UnchokeTimes();
  #lookedAt = 0;

  constructor(network: VirtualNetwork) {
    this.#network = network;
  }

  intervalMs(leastMs: number): number {
    return Math.max(100, Math.min(5_000, Math.round(leastMs / LOOKS)));
  }

  /** Of the time that equals waited for a seed's slots, the share they had them. */
  get seedFairness(): number | undefined {
    return this.#unchoked.fairness();
  }

  look(nowMs: number, hosts: readonly Host[]): void {
    let capacity = 0;
    let used = 0;
    let finished = 0;
    let present = 0;
    const idle: Record<IdleCause, number> = { empty: 0, unwanted: 0, choked: 0, unasked: 0, receivers: 0 };
    for (const host of hosts) {
      if (!host.isSeed && host.isFinished) finished++;
      if (!host.isSeed && host.isOnline) present++;
      if (!host.isOnline || host.behaviour.uploadsNothing === true) continue;
      const mine = this.#network.uplinkCapacity(host.index);
      const load = this.#network.uplinkLoad(host.index);
      capacity += mine;
      used += load;
      if (load < mine * 0.999) idle[this.#causeOf(host, load)] += mine - load;
      if (host.isSeed) this.#unchoked.add(host, nowMs - this.#lookedAt);
    }
    this.#lookedAt = nowMs;
    if (capacity === 0) return;
    for (const cause of IDLE_CAUSES) idle[cause] /= capacity;
    const seedDuplicates = hosts.find((host) => host.isSeed)?.duplicatesSent ?? 0;
    this.looks.push({ atMs: nowMs, uplinkUse: used / capacity, idle, finished, present, seedDuplicates });
  }

  #causeOf(host: Host, load: number): IdleCause {
    if (load > 0) return 'receivers';
    const { peers, have } = host.swarm.state;
    if (have.count === 0 || peers.size === 0) return 'empty';
    let interested = false;
    for (const peer of peers.values()) {
      if (!peer.peerInterested) continue;
      interested = true;
      if (!peer.amChoking) return 'unasked';
    }
    return interested ? 'choked' : 'unwanted';
  }
}

/** How evenly a seed's unchoke time goes to peers with the same link that want it, until the first of them finishes. */
class UnchokeTimes {
  /** By seed and peer: time with a slot, time of interest. */
  readonly #times = new Map<string, { unchoked: number; interested: number }>();

  add(seed: Host, elapsedMs: number): void {
    for (const peer of seed.swarm.state.peers.values()) {
      if (!peer.peerInterested) continue;
      const key = keyOf(seed, peer);
      let times = this.#times.get(key);
      if (times === undefined) {
        times = { unchoked: 0, interested: 0 };
        this.#times.set(key, times);
      }
      times.interested += elapsedMs;
      if (!peer.amChoking) times.unchoked += elapsedMs;
    }
  }

  /** Jain's index of the shares of time, 1 when all are equal; undefined with fewer than two who wanted it long. */
  fairness(): number | undefined {
    const longest = Math.max(0, ...[...this.#times.values()].map(({ interested }) => interested));
    const shares = [...this.#times.values()]
      .filter(({ interested }) => interested >= Math.max(LEAST_INTEREST_MS, longest / 2))
      .map(({ unchoked, interested }) => unchoked / interested);
    if (shares.length < 2) return undefined;
    const sum = shares.reduce((total, share) => total + share, 0);
    const squares = shares.reduce((total, share) => total + share * share, 0);
    return squares === 0 ? undefined : (sum * sum) / (shares.length * squares);
  }
}

const keyOf = (seed: Host, peer: Peer): string => `${seed.index} ${peer.connection.remote.host}`;
