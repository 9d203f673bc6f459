/**
 * One peer among many that tries to get more than its share, and the same peer, on the same line at the same time,
 * when it is honest: what its download time differs by is what it gains. Peers come one by one, seeds are quick, and
 * its downlink has room, so there is something to gain.
 */
import { ANSWERS_ONLY, type Behaviour, modest, tyrant } from '../behaviour.js';
import type { LeecherGroup, Scenario } from '../scenario.js';
import type { AccessLink } from '../virtual-network.js';
import { EQUALS, MIXED } from './flash-crowd.js';

const PEERS = 60;
/** Few enough not to meet each other, more than one so that luck counts less. */
const STRATEGIC = 3;

const one = (
  name: string,
  about: string,
  others: readonly LeecherGroup[],
  link: AccessLink,
  behaviour?: Behaviour,
): Scenario => ({
  name,
  about,
  peers: PEERS,
  pieces: 100,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 2, link: { downKbit: 10_000, upKbit: 3000 } }],
  leechers: [
    { name: 'the one', share: STRATEGIC / PEERS, link, ...(behaviour === undefined ? {} : { behaviour }) },
    ...others.map((group) => ({ ...group, share: group.share * (1 - STRATEGIC / PEERS) })),
  ],
  arrivals: { kind: 'poisson', perSecond: 0.15 },
  departure: { kind: 'leave', lingerMs: 10_000 },
  neighbours: { kind: 'tracker', degree: 40 },
});

const equal = (name: string, about: string, behaviour?: Behaviour): Scenario =>
  one(`equal-${name}`, `${about}, among equals`, EQUALS, { downKbit: 3000, upKbit: 400 }, behaviour);

const mixed = (name: string, about: string, behaviour?: Behaviour): Scenario =>
  one(
    `mixed-${name}`,
    `${about}, among links of four kinds`,
    MIXED,
    { downKbit: 10_000, upKbit: 1000 },
    behaviour,
  );

/** By line of the one: honest first, to compare. */
export const STRATEGIES: readonly Scenario[] = [
  equal('honest', 'an honest peer'),
  equal('tyrant', 'a BitTyrant', tyrant(400, 26_000)),
  equal('answers', 'a peer that gives only to who gives it something', ANSWERS_ONLY),
  equal('modest', 'a peer that hides seven pieces in ten', modest(0.3)),
  mixed('honest', 'an honest peer'),
  mixed('tyrant', 'a BitTyrant', tyrant(1000, 26_000)),
  mixed('answers', 'a peer that gives only to who gives it something', ANSWERS_ONLY),
  mixed('modest', 'a peer that hides seven pieces in ten', modest(0.3)),
];
