/** Swarms small enough for arithmetic: what the simulator itself is validated by. */
import type { LeecherGroup, Scenario } from '../scenario.js';

const leechers: readonly LeecherGroup[] = [
  { name: '2000:400', share: 1, link: { downKbit: 2000, upKbit: 400 } },
];

const shape = (name: string, about: string, peers: number, neighbours: Scenario['neighbours']): Scenario => ({
  name,
  about,
  peers,
  pieces: 400,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 1, link: { downKbit: 1000, upKbit: 400 } }],
  leechers,
  arrivals: { kind: 'flash', withinMs: 0 },
  departure: { kind: 'stay' },
  neighbours,
  network: { latencyMs: 5 },
});

export const PAIR = shape('pair', 'one seed, one leecher: F / u', 1, { kind: 'star' });
export const CHAIN = shape('chain', 'each knows only the one before: F / u and a piece a hop', 4, {
  kind: 'chain',
});
export const STAR = shape('star', 'all know only the seed: N · F / u', 4, { kind: 'star' });
