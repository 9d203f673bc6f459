/** Behaviour: how a peer's policies differ from the engine's. Whole policy sets and single odd peers alike. */
import type { Choker } from '../engine/policy/choker.js';
import type { PiecePicker } from '../engine/policy/piece-picker.js';
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { Rng } from '../engine/ports.js';
import type { SuperSeedMode } from '../engine/swarm/super-seeding.js';
import type { SwarmState } from '../engine/swarm/swarm-state.js';
import { AlwaysUnchoke, ClassicChoker, FastestFirstSeed, NeverUnchoke } from './other-chokers.js';
import { NoEndgame, RandomPicker } from './other-pickers.js';
import { AnswersOnly, StrategicChoker } from './strategic-chokers.js';
import { ALL_BUT_ONE, ECHO, EVERYTHING, type Tale, tellsShare } from './tales.js';

/** How a peer plays while it downloads: at what rate, and in which order it fetches. */
export interface Viewing {
  /** `rarest`: as those who only download. `window`: deadlines for so many pieces ahead of what it plays. */
  readonly order: 'rarest' | 'sequential' | 'window';
  readonly kbit: number;
  readonly windowPieces?: number;
}

export interface Behaviour {
  readonly name: string;
  /** Default: the engine's. */
  readonly picker?: (geometry: TorrentGeometry, rng: Rng) => PiecePicker;
  /** `state` may be asked for when the choker is asked, not before. */
  readonly choker?: (rng: Rng, state: () => SwarmState) => Pick<Choker, 'rechoke'>;
  /** Its choker is asked so often, besides when the engine asks. */
  readonly rechokesEveryMs?: number;
  /** What it says it has, if that is not the truth. */
  readonly tale?: Tale;
  readonly sequential?: boolean;
  readonly viewing?: Viewing;
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

/** BitTyrant on an uplink of so many kbit/s, which it offers to peers at first in parts of so many bytes a second. */
export const tyrant = (upKbit: number, firstPrice: number): Behaviour => ({
  name: 'tyrant',
  choker: (rng, state) => new StrategicChoker(rng, state, upKbit, firstPrice),
  rechokesEveryMs: 1000,
});

/** Gives to those only who give it something already. */
export const ANSWERS_ONLY: Behaviour = {
  name: 'answers only',
  choker: (rng, state) => new AnswersOnly(rng, state),
};

/** Says that it has less than it has, so as to seem needy. */
export const modest = (share: number): Behaviour => ({ name: 'modest', tale: tellsShare(share) });

const taker = (name: string, tale: Tale): Behaviour => ({ ...FREE_RIDER, name, tale });

/** Upload nothing, and say that they have all, nearly all, or whatever they are shown. */
export const CLAIMS_ALL = taker('claims all', EVERYTHING);
export const CLAIMS_NEARLY_ALL = taker('claims nearly all', ALL_BUT_ONE);
export const CLAIMS_SHOWN = taker('claims what it is shown', ECHO);
