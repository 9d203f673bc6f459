/** The piece map: any number of pieces on few cells, each cell a run of neighbouring pieces. */
import { PIECE_STATE } from './engine.js';

export type PieceCell =
  | { readonly kind: 'have' /** 0 < share ≤ 1 of the cell's wanted pieces. */; readonly share: number }
  | { readonly kind: 'requested' | 'verifying' | 'missing' | 'nowhere' | 'unwanted' };

/** Cells a piece may take when there are more cells than pieces. */
const MAX_CELLS_PER_PIECE = 3;

/**
 * Cells to draw `pieceCount` pieces on when `cells` are there: a whole number of cells a piece,
 * or all cells when the pieces are more.
 */
export function mapCells(pieceCount: number, cells: number): number {
  if (pieceCount >= cells) return cells;
  return pieceCount * Math.min(MAX_CELLS_PER_PIECE, Math.floor(cells / Math.max(1, pieceCount)));
}

/** What matters most about the pieces of each of `cells` cells. */
export function pieceCells(states: Uint8Array, availability: Uint8Array, cells: number): PieceCell[] {
  return buckets(states.length, cells, (from, to) => {
    let have = 0;
    let wanted = 0;
    let nowhere = false;
    let requested = false;
    let verifying = false;
    for (let piece = from; piece < to; piece++) {
      const state = states[piece];
      if (state === PIECE_STATE.unwanted) continue;
      wanted++;
      if (state === PIECE_STATE.have) have++;
      else if (state === PIECE_STATE.requested) requested = true;
      else if (state === PIECE_STATE.verifying) verifying = true;
      else if (availability[piece] === 0) nowhere = true;
    }
    if (wanted === 0) return { kind: 'unwanted' };
    if (have === wanted) return { kind: 'have', share: 1 };
    if (verifying) return { kind: 'verifying' };
    if (requested) return { kind: 'requested' };
    if (have > 0) return { kind: 'have', share: have / wanted };
    return { kind: nowhere ? 'nowhere' : 'missing' };
  });
}

/** The lowest availability within each of `cells` cells. */
export function availabilityCells(availability: Uint8Array, cells: number): number[] {
  return buckets(availability.length, cells, (from, to) => {
    let lowest = 255;
    for (let piece = from; piece < to; piece++) lowest = Math.min(lowest, availability[piece] ?? 0);
    return lowest;
  });
}

/**
 * Copies of the torrent among the connected peers: the whole part is the number of peers that have the
 * rarest piece, the fraction the share of pieces that more have.
 */
export function distributedCopies(availability: Uint8Array): number {
  if (availability.length === 0) return 0;
  let lowest = 255;
  for (const count of availability) lowest = Math.min(lowest, count);
  let more = 0;
  for (const count of availability) if (count > lowest) more++;
  return lowest + more / availability.length;
}

/** Calls `make` with the pieces [from, to) of each cell; never with none. */
function buckets<T>(count: number, cells: number, make: (from: number, to: number) => T): T[] {
  if (count === 0) return [];
  return Array.from({ length: cells }, (_, cell) => {
    const from = Math.floor((cell * count) / cells);
    return make(from, Math.max(from + 1, Math.floor(((cell + 1) * count) / cells)));
  });
}
