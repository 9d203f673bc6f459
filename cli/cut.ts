/** Cuts a line to a number of cells without cutting into a colour sequence. */
import { cellWidth } from '../engine/text.js';

/** A colour sequence of ours, or a character together with the marks on it. */
const PARTS = /\x1b\[[\d;]*m|.\p{Mn}*/gsu;

/** @param line printable text and our own SGR sequences only */
export function cutToCells(line: string, cells: number): string {
  let left = cells;
  let cut = '';
  for (const [part] of line.matchAll(PARTS)) {
    if (part.startsWith('\x1b')) {
      cut += part;
      continue;
    }
    left -= cellWidth(part);
    // Nothing narrow may slip in behind a wide character that did not fit.
    if (left < 0) left = 0;
    else cut += part;
  }
  return cut;
}

/** Cells that such a line takes. */
export const cellsOf = (line: string): number => cellWidth(line.replace(/\x1b\[[\d;]*m/g, ''));
