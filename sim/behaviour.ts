/** Behaviour: how a peer's policies differ from the engine's. Whole policy sets and single odd peers alike. */
import type { Choker } from '../engine/policy/choker.js';
import type { PiecePicker } from '../engine/policy/piece-picker.js';
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { Rng } from '../engine/ports.js';
import type { SuperSeedMode } from '../engine/swarm/super-seeding.js';
import { AlwaysUnchoke, ClassicChoker, FastestFirstSeed, NeverUnchoke } from './other-chokers.js';
import { NoEndgame, RandomPicker } from './other-pickers.js';

export interface Behaviour {
  readonly name: string;
  /** Default: the engine's. */
  readonly picker?: (geometry: TorrentGeometry, rng: Rng) => PiecePicker;
  readonly choker?: (rng: Rng) => Pick<Choker, 'rechoke'>;
  readonly sequential?: boolean;
  /** Default: the engine's. */
  readonly superSeed?: SuperSeedMode;
  readonly uploadsNothing?: boolean;
  /** Its seeds serve equals alike, and a run in which they do not has failed. */
  readonly isFair?: boolean;
  /** Share of the blocks it sends that are corrupt. */
  readonly corruptShare?: number;
}

/** The engine as it is. */
export const SWARM: Behaviour = { name: 'swarm', isFair: true };

const classic = (rng: Rng): ClassicChoker => new ClassicChoker(rng);

/** By name: sets that all honest peers of a run can have, for comparison. */
export const POLICIES: readonly Behaviour[] = [
  SWARM,
  { name: 'random', picker: (geometry, rng) => new RandomPicker(geometry, rng) },
  { name: 'sequential', sequential: true },
  { name: 'classic', choker: classic, superSeed: 'off' },
  { name: 'always-unchoke', choker: () => new AlwaysUnchoke() },
  {
    name: 'fastest-first',
    picker: (geometry, rng) => new NoEndgame(geometry, rng),
    choker: (rng) => new FastestFirstSeed(rng),
    superSeed: 'off',
  },
];

export const FREE_RIDER: Behaviour = {
  name: 'free rider',
  uploadsNothing: true,
  choker: () => new NeverUnchoke(),
};

export const poisoner = (corruptShare: number): Behaviour => ({ name: 'poisoner', corruptShare });
