/**
 * B1 to B4: a thousand peers come at once for 400 pieces, as in the study of Bharambe, Herley and Padmanabhan
 * (INFOCOM 2006). B2 and B3 separate good piece selection from poor: the seed has no time to send a piece twice.
 * B4 separates choking: the quick must not be dragged down, nor the slow starved.
 */
import type { LeecherGroup, Scenario } from '../scenario.js';

export const EQUALS: readonly LeecherGroup[] = [
  { name: '1500:400', share: 1, link: { downKbit: 1500, upKbit: 400 } },
];

export const MIXED: readonly LeecherGroup[] = [
  { name: '784:128', share: 0.2, link: { downKbit: 784, upKbit: 128 } },
  { name: '1500:384', share: 0.4, link: { downKbit: 1500, upKbit: 384 } },
  { name: '3000:1000', share: 0.25, link: { downKbit: 3000, upKbit: 1000 } },
  { name: '10000:5000', share: 0.15, link: { downKbit: 10_000, upKbit: 5000 } },
];

const flashCrowd = (
  name: string,
  about: string,
  seedUpKbit: number,
  leechers: readonly LeecherGroup[],
): Scenario => ({
  name,
  about,
  peers: 1000,
  pieces: 400,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 1, link: { downKbit: 10_000, upKbit: seedUpKbit } }],
  leechers,
  arrivals: { kind: 'flash', withinMs: 1000 },
  departure: { kind: 'stay' },
  neighbours: { kind: 'tracker', degree: 40 },
});

export const B1 = flashCrowd('B1', 'equal peers, a quick seed: almost any picker does', 6000, EQUALS);
export const B2 = flashCrowd(
  'B2',
  'a seed no quicker than its peers: each block it repeats costs',
  400,
  EQUALS,
);
export const B3 = flashCrowd('B3', 'a seed half as quick as its peers: it is the bottleneck', 200, EQUALS);
export const B4 = flashCrowd('B4', 'links of four kinds', 6000, MIXED);
