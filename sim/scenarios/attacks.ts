/** Swarms with peers that take without giving, where it hurts: seeds are scarce, and who has finished leaves. */
import { FREE_RIDER } from '../behaviour.js';
import type { Scenario } from '../scenario.js';
import type { AccessLink } from '../virtual-network.js';

const link: AccessLink = { downKbit: 1500, upKbit: 400 };

const base: Omit<Scenario, 'name' | 'about' | 'leechers'> = {
  peers: 40,
  pieces: 400,
  pieceBytes: 256 * 1024,
  seeds: [{ count: 1, link: { downKbit: 10_000, upKbit: 1000 } }],
  arrivals: { kind: 'flash', withinMs: 1000 },
  departure: { kind: 'leave', lingerMs: 0 },
  neighbours: { kind: 'tracker', degree: 40 },
};

export const SCARCE_SEED: Scenario = {
  ...base,
  name: 'scarce-seed',
  about: 'one peer in five uploads nothing, and the others leave as soon as they have finished',
  leechers: [
    { name: 'honest', share: 0.8, link },
    { name: 'free rider', share: 0.2, link, behaviour: FREE_RIDER },
  ],
};

const attacked = (name: string, about: string, attackers: number): Scenario => ({
  ...base,
  name,
  about,
  peers: 32 + attackers,
  pieces: 100,
  departure: { kind: 'stay' },
  leechers: [
    {
      name: 'attacker',
      share: attackers / (32 + attackers),
      link: { downKbit: 100_000, upKbit: 400 },
      behaviour: FREE_RIDER,
    },
    { name: 'honest', share: 32 / (32 + attackers), link },
  ],
});

export const SEED_ALONE: Scenario = attacked('seed-unattacked', 'the same without the three, to compare', 0);
export const SEED_ATTACK: Scenario = {
  ...attacked(
    'seed-attack',
    'three quick downlinks that give nothing hold what they can of a seed (Adamsky 2014)',
    3,
  ),
  compared: { scenario: SEED_ALONE.name, group: 'honest' },
};
