/**
 * Survey: looks at the swarm now and then, and adds up what uplinks are used for, and why the rest lies idle:
 * where the time goes that a swarm takes beyond the least.
 */
import type { Host } from './host.js';
import { SeedTurns } from './seed-turns.js';
import type { VirtualNetwork } from './virtual-network.js';

/** Looks a run, about. */
const LOOKS = 400;

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
  readonly #groupAt: (address: string) => string;
  readonly #seedTurns = new SeedTurns();

  /** @param groupAt the group of who is at an address */
  constructor(network: VirtualNetwork, groupAt: (address: string) => string) {
    this.#network = network;
    this.#groupAt = groupAt;
  }

  intervalMs(leastMs: number): number {
    return Math.max(100, Math.min(5_000, Math.round(leastMs / LOOKS)));
  }

  /** How evenly seeds gave their slots to equals; see `SeedTurns`. */
  get seedFairness(): number | undefined {
    return this.#seedTurns.fairness;
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
      if (host.isSeed) this.#lookAtTurns(nowMs, host);
    }
    if (capacity === 0) return;
    for (const cause of IDLE_CAUSES) idle[cause] /= capacity;
    const seedDuplicates = hosts.find((host) => host.isSeed)?.duplicatesSent ?? 0;
    this.looks.push({ atMs: nowMs, uplinkUse: used / capacity, idle, finished, present, seedDuplicates });
  }

  #lookAtTurns(nowMs: number, seed: Host): void {
    this.#seedTurns.look(
      nowMs,
      seed.address.host,
      [...seed.swarm.state.peers.values()].map(({ connection: { remote }, peerInterested, amChoking }) => ({
        name: remote.host,
        group: this.#groupAt(remote.host),
        isInterested: peerInterested,
        isChoked: amChoking,
      })),
    );
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
