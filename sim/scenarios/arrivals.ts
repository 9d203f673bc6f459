/**
 * More arrivals than the seed could feed: everybody leaves when done, so a piece that becomes rare can stay so, and
 * all who wait for it pile up (Hajek and Zhu 2010, the missing piece syndrome).
 */
import type { Scenario } from '../scenario.js';

const PIECES = 16;
const PIECE_BYTES = 256 * 1024;
const SEED_KBIT = 1000;
const FILE_KBIT = (PIECES * PIECE_BYTES * 8) / 1024;

const arrivals = (name: string, about: string, peers: number, perSecond: number): Scenario => ({
  name,
  about,
  peers,
  pieces: PIECES,
  pieceBytes: PIECE_BYTES,
  seeds: [{ count: 1, link: { downKbit: 10_000, upKbit: SEED_KBIT } }],
  leechers: [{ name: '1500:400', share: 1, link: { downKbit: 1500, upKbit: 400 } }],
  arrivals: { kind: 'poisson', perSecond },
  departure: { kind: 'leave', lingerMs: 0 },
  neighbours: { kind: 'tracker', degree: 40 },
});

export const TWICE_FILES = arrivals(
  'arrivals-files',
  'twice as many files are wanted a second as the seed could send, and who is done leaves',
  400,
  (2 * SEED_KBIT) / FILE_KBIT,
);

/**
 * In the model of Hajek and Zhu this is where any policy fails that only asks whether a piece is useful. Runs may end in
 * a failed check: nobody is connected to the seed any more, and all others lack the same piece.
 */
export const TWICE_PIECES = arrivals(
  'arrivals-pieces',
  'twice as many peers come a second as the seed sends pieces, and who is done leaves',
  1500,
  (2 * SEED_KBIT * PIECES) / FILE_KBIT,
);

/** As `swarm get` leaves. */
export const TWICE_PIECES_PARTING: Scenario = {
  ...TWICE_PIECES,
  name: 'arrivals-parting',
  about: 'the same, but who is done gives two pieces first where one is scarce',
  departure: { kind: 'part' },
};
