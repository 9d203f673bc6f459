/** All scenarios, by name. */
import type { Scenario } from '../scenario.js';
import { TWICE_FILES, TWICE_PIECES, TWICE_PIECES_PARTING } from './arrivals.js';
import { SCARCE_SEED, SEED_ALONE, SEED_ATTACK } from './attacks.js';
import { B1, B2, B3, B4 } from './flash-crowd.js';
import { CHURN, FREE_RIDERS, LAST_SEED, MODEM, NAT, POISON } from './hardships.js';
import { SUPER_SEED_LIARS } from './liars.js';
import { SHAPED_6, SHAPED_16 } from './shaped.js';
import { CHAIN, PAIR, STAR } from './shapes.js';
import { STRATEGIES } from './strategic.js';
import { WATCHED } from './watched.js';

export const SCENARIOS: readonly Scenario[] = [
  B1,
  B2,
  B3,
  B4,
  PAIR,
  CHAIN,
  STAR,
  CHURN,
  LAST_SEED,
  POISON,
  NAT,
  FREE_RIDERS,
  MODEM,
  SCARCE_SEED,
  SEED_ATTACK,
  SEED_ALONE,
  SHAPED_16,
  SHAPED_6,
  ...STRATEGIES,
  ...SUPER_SEED_LIARS,
  TWICE_FILES,
  TWICE_PIECES,
  TWICE_PIECES_PARTING,
  ...WATCHED,
];
