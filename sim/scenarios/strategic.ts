/**
 * Three peers in sixty that try to get more than their share, and the same three, on the same lines at the same times,
 * when they are honest: what their download times differ by is what they gain. Peers come one by one, seeds are quick,
 * and their downlinks have room, so there is something to gain.
 */
import { ANSWERS_ONLY, type Behaviour, modest, tyrant } from '../behaviour.js';
import type { LeecherGroup, Scenario } from '../scenario.js';
import type { AccessLink } from '../virtual-network.js';
import { EQUALS, MIXED } from './flash-crowd.js';

const PEERS = 60;
const GROUP = 'strategic';
/** Few enough not to meet each other, more than one so that luck counts less. */
const STRATEGIC = 3;

const among = (
  name: string,
  about: string,
  others: readonly LeecherGroup[],
  link: AccessLink,
  compared: string,
  behaviour?: Behaviour,
): Scenario => ({
  name,
  about,
  peers: PEERS,
  pieces: 100,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 2, link: { downKbit: 10_000, upKbit: 3000 } }],
  leechers: [
    { name: GROUP, share: STRATEGIC / PEERS, link, ...(behaviour === undefined ? {} : { behaviour }) },
    ...others.map((group) => ({ ...group, share: group.share * (1 - STRATEGIC / PEERS) })),
  ],
  arrivals: { kind: 'poisson', perSecond: 0.15 },
  departure: { kind: 'leave', lingerMs: 10_000 },
  neighbours: { kind: 'tracker', degree: 40 },
  ...(behaviour === undefined ? {} : { compared: { scenario: compared, group: GROUP } }),
});

const equal = (name: string, about: string, behaviour?: Behaviour): Scenario =>
  among(
    `equal-${name}`,
    `${about}, among equals`,
    EQUALS,
    { downKbit: 3000, upKbit: 400 },
    'equal-honest',
    behaviour,
  );

const mixed = (name: string, about: string, behaviour?: Behaviour): Scenario =>
  among(
    `mixed-${name}`,
    `${about}, among links of four kinds`,
    MIXED,
    { downKbit: 10_000, upKbit: 1000 },
    'mixed-honest',
    behaviour,
  );

/** By line: honest first, to compare. */
export const STRATEGIES: readonly Scenario[] = [
  equal('honest', 'three honest peers to compare with'),
  equal('tyrant', 'three of BitTyrant', tyrant(400, 26_000)),
  equal('answers', 'three that give only to who gives them something', ANSWERS_ONLY),
  equal('modest', 'three that hide seven pieces in ten', modest(0.3)),
  mixed('honest', 'three honest peers to compare with'),
  mixed('tyrant', 'three of BitTyrant', tyrant(1000, 26_000)),
  mixed('answers', 'three that give only to who gives them something', ANSWERS_ONLY),
  mixed('modest', 'three that hide seven pieces in ten', modest(0.3)),
];
