/** Swarms in which something goes wrong: peers leave, lie, take without giving, or cannot be reached. */
import { FREE_RIDER, poisoner } from '../behaviour.js';
import type { Scenario } from '../scenario.js';
import type { AccessLink } from '../virtual-network.js';

const link: AccessLink = { downKbit: 1500, upKbit: 400 };

const base: Omit<Scenario, 'name' | 'about'> = {
  peers: 100,
  pieces: 200,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 1, link: { downKbit: 10_000, upKbit: 1000 } }],
  leechers: [{ name: 'honest', share: 1, link }],
  arrivals: { kind: 'flash', withinMs: 1000 },
  departure: { kind: 'stay' },
  neighbours: { kind: 'tracker', degree: 40 },
};

export const CHURN: Scenario = {
  ...base,
  name: 'churn',
  about: 'peers come one by one and leave ten seconds after they have finished',
  arrivals: { kind: 'poisson', perSecond: 0.2 },
  departure: { kind: 'leave', lingerMs: 10_000 },
};

export const LAST_SEED: Scenario = {
  ...base,
  name: 'last-seed',
  about: 'the seed leaves a minute after it has sent every block once',
  seeds: [{ count: 1, link: { downKbit: 10_000, upKbit: 1000 }, leavesAfterCopyMs: 60_000 }],
};

export const POISON: Scenario = {
  ...base,
  name: 'poison',
  about: 'one peer in twenty corrupts a tenth of the blocks that it sends',
  leechers: [
    { name: 'honest', share: 0.95, link },
    { name: 'poisoner', share: 0.05, link, behaviour: poisoner(0.1) },
  ],
};

export const NAT: Scenario = {
  ...base,
  name: 'nat',
  about: 'six peers in ten accept no connections, and a tenth of all dials finds nobody',
  leechers: [
    { name: 'reachable', share: 0.4, link },
    { name: 'behind NAT', share: 0.6, link, reachable: false },
  ],
  network: { dialLoss: 0.1 },
};

export const FREE_RIDERS: Scenario = {
  ...base,
  name: 'free-riders',
  about: 'one peer in five uploads nothing',
  leechers: [
    { name: 'honest', share: 0.8, link },
    { name: 'free rider', share: 0.2, link, behaviour: FREE_RIDER },
  ],
};

export const MODEM: Scenario = {
  ...base,
  name: 'modem',
  about: 'links of 10:1 behind an oversized buffer, where requests wait behind blocks',
  leechers: [{ name: '8000:800', share: 1, link: { downKbit: 8000, upKbit: 800 } }],
  seeds: [{ count: 10, link: { downKbit: 100_000, upKbit: 50_000 } }],
  network: { modemBufferBytes: 256 * 1024 },
};
