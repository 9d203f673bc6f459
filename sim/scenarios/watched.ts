/**
 * Viewers: what it costs a swarm that a part of it plays while it downloads, in order from the first piece on or with
 * deadlines for the pieces of a window; and how well that part sees. In the flash crowds B1 and B2, where nothing can be
 * seen before the seed has shown it, and where peers come one by one.
 */
import type { Viewing } from '../behaviour.js';
import type { Scenario } from '../scenario.js';
import { B1, B2 } from './flash-crowd.js';

/** Three quarters of what such a swarm can upload for each of its peers. */
const KBIT = 300;
const SHARES = [0.1, 0.5, 1];
const WINDOW_PIECES = 32;

interface Order {
  readonly name: string;
  readonly about: string;
  readonly viewing: Omit<Viewing, 'kbit'>;
}

const ORDERS: readonly Order[] = [
  { name: 'ordered', about: 'fetched in order', viewing: { order: 'sequential' } },
  {
    name: 'window',
    about: `deadlines for ${WINDOW_PIECES} pieces ahead`,
    viewing: { order: 'window', windowPieces: WINDOW_PIECES },
  },
];

const ONE_BY_ONE: Scenario = {
  ...B1,
  name: 'steady',
  about: 'peers come one by one and leave a minute after they have finished',
  peers: 60,
  pieces: 200,
  seeds: [{ count: 1, link: { downKbit: 10_000, upKbit: 1_000 } }],
  arrivals: { kind: 'poisson', perSecond: 0.03 },
  departure: { kind: 'leave', lingerMs: 60_000 },
};

export const WATCHED: readonly Scenario[] = [
  ONE_BY_ONE,
  ...[B1, B2, ONE_BY_ONE].flatMap((base) =>
    ORDERS.flatMap((order) => SHARES.map((share) => watched(base, order, share))),
  ),
];

function watched(base: Scenario, { name: order, about, viewing }: Order, share: number): Scenario {
  const { link } = base.leechers[0]!;
  const percent = Math.round(100 * share);
  const viewer = {
    name: 'viewer',
    share,
    link,
    behaviour: { name: order, viewing: { ...viewing, kbit: KBIT } },
  };
  return {
    ...base,
    name: `${base.name}-${order}-${percent}`,
    about: `${base.name} in which ${percent} % play ${KBIT} kbit/s while they download: ${about}`,
    peers: 60,
    leechers: share === 1 ? [viewer] : [viewer, { name: 'other', share: 1 - share, link }],
  };
}
