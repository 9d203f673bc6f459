/** A filled area chart in braille: two samples a cell across, four dots a cell high. */

const DOTS_PER_CELL = 4;
/** Bits of the dots of one column from the bottom up (Unicode braille, U+2800). */
const LEFT_UP = [0x40, 0x04, 0x02, 0x01] as const;
const RIGHT_UP = [0x80, 0x20, 0x10, 0x08] as const;

/**
 * Draws the newest samples at the right edge.
 *
 * @param samples oldest first, of any length
 * @param max the value that reaches the far edge
 * @param hanging grows from the top edge down instead
 * @returns `height` strings of `width` cells, top first; an empty cell is a space
 */
export function brailleChart(
  samples: readonly number[],
  width: number,
  height: number,
  max: number,
  hanging = false,
): string[] {
  const columns = width * 2;
  const heights = new Uint16Array(columns);
  const first = samples.length - columns;
  for (let column = Math.max(0, -first); column < columns; column++) {
    heights[column] = dots(samples[first + column] ?? 0, max, height * DOTS_PER_CELL);
  }
  const rows: string[] = [];
  for (let y = 0; y < height; y++) {
    const base = (hanging ? y : height - 1 - y) * DOTS_PER_CELL;
    let row = '';
    for (let x = 0; x < width; x++) {
      const bits =
        bitsOf((heights[2 * x] ?? 0) - base, hanging, LEFT_UP) |
        bitsOf((heights[2 * x + 1] ?? 0) - base, hanging, RIGHT_UP);
      row += bits === 0 ? ' ' : String.fromCharCode(0x2800 + bits);
    }
    rows.push(row);
  }
  return rows;
}

/** What is not nothing shows at least one dot. */
function dots(value: number, max: number, range: number): number {
  if (!(value > 0) || !(max > 0)) return 0;
  return Math.min(range, Math.max(1, Math.round((value / max) * range)));
}

function bitsOf(filled: number, hanging: boolean, up: readonly number[]): number {
  let bits = 0;
  for (let dot = 0; dot < Math.min(DOTS_PER_CELL, filled); dot++) {
    bits |= up[hanging ? DOTS_PER_CELL - 1 - dot : dot] ?? 0;
  }
  return bits;
}
