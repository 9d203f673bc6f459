/**
 * Viewers: what it costs a flash crowd that a part of it plays while it downloads, in order from the first piece on or
 * with deadlines for the pieces of a window; and how well that part sees.
 */
import type { Viewing } from '../behaviour.js';
import type { Scenario } from '../scenario.js';
import { B1, B2 } from './flash-crowd.js';

/** Half of what a peer can download; three quarters of what such a swarm as a whole can upload for each. */
const KBIT = { B1: 300, B2: 300 };
const SHARES = [0.1, 0.5, 1];
const WINDOW_PIECES = 32;

const ORDERS: readonly { readonly name: string; readonly viewing: Omit<Viewing, 'kbit'> }[] = [
  { name: 'ordered', viewing: { order: 'sequential' } },
  { name: 'window', viewing: { order: 'window', windowPieces: WINDOW_PIECES } },
];

export const WATCHED: readonly Scenario[] = [B1, B2].flatMap((base) =>
  ORDERS.flatMap(({ name, viewing }) => SHARES.map((share) => watched(base, name, viewing, share))),
);

function watched(base: Scenario, order: string, viewing: Omit<Viewing, 'kbit'>, share: number): Scenario {
  const { link } = base.leechers[0]!;
  const percent = Math.round(100 * share);
  const kbit = KBIT[base.name as keyof typeof KBIT];
  const viewer = { name: 'viewer', share, link, behaviour: { name: order, viewing: { ...viewing, kbit } } };
  return {
    ...base,
    name: `${base.name}-${order}-${percent}`,
    about: `${base.name} in which ${percent} % play ${kbit} kbit/s while they download`,
    peers: 60,
    leechers: share === 1 ? [viewer] : [viewer, { name: 'other', share: 1 - share, link }],
  };
}
