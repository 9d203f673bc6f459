/** Scenario: a swarm to be simulated, as data. Files in scenarios/ each hold one; `npm run sim -- NAME` runs it. */
import type { Behaviour } from './behaviour.js';
import type { AccessLink } from './virtual-network.js';

export interface Scenario {
  readonly name: string;
  /** One line: what it shows. */
  readonly about: string;
  /** How many leechers, unless the command says. */
  readonly peers: number;
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly seeds: readonly SeedGroup[];
  /** Shares of the leechers; they add up to 1. */
  readonly leechers: readonly LeecherGroup[];
  readonly arrivals: Arrivals;
  readonly departure: Departure;
  readonly neighbours: Neighbours;
  readonly network?: Partial<NetworkConditions>;
  /** The scenario without what this one shows, and the group whose download times say what that gains or costs. */
  readonly compared?: { readonly scenario: string; readonly group: string };
}

interface SeedGroup {
  readonly count: number;
  readonly link: AccessLink;
  /** When given, it leaves so long after it has sent every block once. */
  readonly leavesAfterCopyMs?: number;
  /** When given, it leaves so long after the beginning. */
  readonly leavesAfterMs?: number;
}

export interface LeecherGroup {
  readonly name: string;
  readonly share: number;
  readonly link: AccessLink;
  readonly behaviour?: Behaviour;
  /** False: like behind a NAT, it accepts no connections. Default true. */
  readonly reachable?: boolean;
}

/** `flash`: all within so long. `poisson`: independently, so many a second. */
type Arrivals =
  | { readonly kind: 'flash'; readonly withinMs: number }
  | { readonly kind: 'poisson'; readonly perSecond: number };

/** `stay`: until the last has finished. `leave`: so long after its own finish. `part`: when the engine says so. */
type Departure =
  | { readonly kind: 'stay' }
  | { readonly kind: 'leave'; readonly lingerMs: number }
  | { readonly kind: 'part' };

/**
 * `tracker`: random ones, so that a peer has `degree` connections on average.
 * `chain`: each leecher knows only the one before, the first the seed. `star`: all know only the seed.
 */
type Neighbours =
  | { readonly kind: 'tracker'; readonly degree: number }
  | { readonly kind: 'chain' }
  | { readonly kind: 'star' };

export interface NetworkConditions {
  /** One way between a host and the middle of the network: a round trip is four times that. */
  readonly latencyMs: number;
  /** Share that TCP and IP headers add to all bytes; 0 so that arithmetic is exact, about 0.05 as on real sockets. */
  readonly overhead: number;
  /** What the kernel takes of a connection before it is sent. */
  readonly sendBufferBytes: number;
  /**
   * Bytes of a queue between host and uplink that all connections share (modem, router): while the uplink is full it
   * is too, and everything waits in it.
   */
  readonly modemBufferBytes: number;
  /** A dial's chance to find nobody. */
  readonly dialLoss: number;
}

export const USUAL_CONDITIONS: NetworkConditions = {
  latencyMs: 12,
  overhead: 0,
  sendBufferBytes: 64 * 1024,
  modemBufferBytes: 0,
  dialLoss: 0,
};

/** Leechers of a group when there are `peers` in all; rounding goes to the last group. */
export function groupSizes(groups: readonly LeecherGroup[], peers: number): number[] {
  const sizes = groups.map(({ share }) => Math.round(share * peers));
  const rest = peers - sizes.reduce((sum, size) => sum + size, 0);
  sizes[sizes.length - 1]! += rest;
  return sizes;
}

const SECOND_KBIT_BYTES = 1024 / 8;

/**
 * The least time in which all leechers can have everything, in seconds (Kumar and Ross 2006): the seeds' uplinks,
 * the slowest downlink, or all uplinks together. Peers that upload nothing count with nothing. Two peers that nobody
 * reaches never meet: all that such peers get comes over the uplinks of seeds and of who is reachable.
 */
export function leastSeconds(scenario: Scenario, peers: number): number {
  const bytes = scenario.pieces * scenario.pieceBytes;
  const seedUp = scenario.seeds.reduce((sum, { count, link }) => sum + count * link.upKbit, 0);
  const sizes = groupSizes(scenario.leechers, peers);
  let usefulUp = seedUp;
  let reachableUp = seedUp;
  let unreachable = 0;
  let slowest = Number.POSITIVE_INFINITY;
  scenario.leechers.forEach(({ link, behaviour, reachable = true }, i) => {
    const size = sizes[i]!;
    const gives = behaviour?.uploadsNothing !== true && scenario.neighbours.kind !== 'star';
    if (gives) usefulUp += size * link.upKbit;
    if (gives && reachable) reachableUp += size * link.upKbit;
    if (!reachable) unreachable += size;
    if (size > 0) slowest = Math.min(slowest, link.downKbit);
  });
  const bounds = [
    bytes / seedUp,
    bytes / slowest,
    (peers * bytes) / usefulUp,
    (unreachable * bytes) / reachableUp,
  ];
  return Math.max(...bounds) / SECOND_KBIT_BYTES;
}
