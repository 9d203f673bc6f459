/** The two swarms that `npm run bench:shaped` runs on real sockets behind shaped lines: to see how far both agree. */
import type { Scenario } from '../scenario.js';

/** Its lines are in Mbit/s of a million bit, ours in kbit/s of 1,024. */
const megabit = (rate: number): number => (rate * 1e6) / 1024;

const shaped = (name: string, about: string, seedMegabit: number, pieces: number): Scenario => ({
  name,
  about,
  peers: 8,
  pieces,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 1, link: { downKbit: megabit(1000), upKbit: megabit(seedMegabit) } }],
  leechers: [{ name: '80:8 Mbit/s', share: 1, link: { downKbit: megabit(80), upKbit: megabit(8) } }],
  arrivals: { kind: 'flash', withinMs: 0 },
  departure: { kind: 'stay' },
  neighbours: { kind: 'tracker', degree: 16 },
  // A shaper holds 100 ms of 8 Mbit/s; the way through bridge and veth takes next to nothing.
  network: { latencyMs: 0.1, overhead: 0.05, modemBufferBytes: 100_000 },
});

export const SHAPED_16 = shaped(
  'shaped-16',
  'as on real sockets: seed 16 Mbit/s, 8 peers 80:8, 32 MiB',
  16,
  128,
);
export const SHAPED_6 = shaped('shaped-6', 'as on real sockets: seed 6 Mbit/s, 8 peers 80:8, 16 MiB', 6, 64);
