/** Pickers to compare the engine's with. */
import type { Bitfield } from '../engine/policy/bitfield.js';
import { PiecePicker } from '../engine/policy/piece-picker.js';
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import { asPiece, type PieceIndex, type Rng } from '../engine/units.js';

/** Any piece that the peer has, with equal chances. */
export class RandomPicker extends PiecePicker {
  readonly #rng: Rng;
  readonly #pieceCount: number;
  readonly #begun = new Set<PieceIndex>();

  constructor(geometry: TorrentGeometry, rng: Rng) {
    super(geometry, rng);
    this.#rng = rng;
    this.#pieceCount = geometry.pieceCount;
  }

  override onPieceBegun(piece: PieceIndex): void {
    super.onPieceBegun(piece);
    this.#begun.add(piece);
  }

  override onPieceAbandoned(piece: PieceIndex): void {
    super.onPieceAbandoned(piece);
    this.#begun.delete(piece);
  }

  override onPieceHave(piece: PieceIndex): void {
    super.onPieceHave(piece);
    this.#begun.delete(piece);
  }

  override pick(has: Bitfield): PieceIndex | -1 {
    let chosen: PieceIndex | -1 = -1;
    let found = 0;
    for (let index = 0; index < this.#pieceCount; index++) {
      const piece = asPiece(index);
      if (!has.get(piece) || !this.isMissing(piece) || this.#begun.has(piece)) continue;
      if (this.#rng() * ++found < 1) chosen = piece;
    }
    return chosen;
  }
}

/** The engine's order; it always claims to have a piece left to begin, so that no block is asked of two peers. */
export class NoEndgame extends PiecePicker {
  override get openCount(): number {
    return Math.max(1, super.openCount);
  }

  override pick(has: Bitfield): PieceIndex | -1 {
    return super.openCount === 0 ? -1 : super.pick(has);
  }
}
