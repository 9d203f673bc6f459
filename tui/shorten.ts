/** Names in few cells. Shared by the dashboard and the live line. */
import { cellWidth, printable } from './engine.js';

/** A character together with the marks on it. */
const CHARACTERS = /.\p{Mn}*/gsu;
/** Of a longer name the end is not looked at. */
const MAX_NAME_CELLS = 400;
/** In less room a middle would not be read as one. */
const MIN_SHORTENED_CELLS = 12;

/** Foreign text in at most `width` cells, cut in its middle: names of a kind differ at their ends. */
export function shorten(text: string, width: number): string {
  const shown = printable(text, MAX_NAME_CELLS);
  if (cellWidth(shown) <= width || width < MIN_SHORTENED_CELLS) return printable(shown, width);
  const tailCells = Math.floor(width / 3);
  let tail = '';
  for (const character of (shown.match(CHARACTERS) ?? []).reverse()) {
    if (cellWidth(character + tail) > tailCells) break;
    tail = character + tail;
  }
  return printable(shown, width - cellWidth(tail)) + tail;
}
