/** Tales: what peers say they have that is not so. */
import { Bitfield, forEachSet } from '../engine/policy/bitfield.js';
import { asPiece, type PieceIndex } from '../engine/units.js';

export interface Tale {
  /** What it says it has when it connects, having `have`. */
  first(have: Bitfield): Bitfield;
  /** Whether it tells that it has got a piece. */
  tells(piece: PieceIndex): boolean;
  /** Says at once that it has what it is told of. */
  readonly echoes: boolean;
}

export const EVERYTHING: Tale = {
  first: (have) => Bitfield.full(have.size),
  tells: () => false,
  echoes: false,
};

/** Who claims all of it is taken for a seed, and other seeds part from it. */
export const ALL_BUT_ONE: Tale = {
  ...EVERYTHING,
  first: (have) => {
    const claimed = Bitfield.full(have.size);
    claimed.clear(asPiece(0));
    return claimed;
  },
};

export const ECHO: Tale = { first: (have) => have.copy(), tells: () => true, echoes: true };

/** The truth about a share of all pieces, nothing about the others. */
export function tellsShare(share: number): Tale {
  const tells = (piece: PieceIndex): boolean => (piece * 0.618_034) % 1 < share;
  return {
    first: (have) => {
      const told = new Bitfield(have.size);
      forEachSet(have, (piece) => {
        if (tells(piece)) told.set(piece);
      });
      return told;
    },
    tells,
    echoes: false,
  };
}
