/** Rows of styled text: all that a view makes and all that the screen takes. Widths are terminal cells. */
import { cellWidth, printable } from './engine.js';

/** What a piece of text means; palette.ts says how that looks. */
export type Style =
  | 'text'
  | 'strong'
  | 'dim'
  | 'faint'
  | 'frame'
  | 'focus'
  | 'badge'
  | 'accent'
  | 'down'
  | 'down2'
  | 'down1'
  | 'up'
  | 'up2'
  | 'up1'
  | 'have'
  | 'good'
  | 'warn'
  | 'bad';

export interface Span {
  /** Printable text only: foreign strings have passed `printable()`. */
  readonly text: string;
  readonly style: Style;
  /** On the bar that marks the chosen line. */
  readonly selected?: true;
}

export type Row = readonly Span[];

export const span = (text: string, style: Style = 'text'): Span => ({ text, style });

export const rowWidth = (row: Row): number => row.reduce((cells, { text }) => cells + cellWidth(text), 0);

/** `row` cut or filled with spaces to exactly `width` cells. */
export function fitRow(row: Row, width: number): Row {
  const out: Span[] = [];
  let left = width;
  for (const part of row) {
    if (left <= 0) break;
    const cells = cellWidth(part.text);
    const kept = cells <= left ? part : { ...part, text: printable(part.text, left) };
    out.push(kept);
    left -= cells <= left ? cells : cellWidth(kept.text);
    if (cells > left && kept !== part) break;
  }
  if (left > 0) out.push(span(' '.repeat(left)));
  return out;
}

/** Foreign or own text cut or filled to exactly `width` cells. */
export function fitText(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const shown = printable(text, width);
  const fill = ' '.repeat(Math.max(0, width - cellWidth(shown)));
  return align === 'left' ? shown + fill : fill + shown;
}

/** `left` and `right` at the two ends of exactly `width` cells; `right` goes first when both do not fit. */
export function spread(left: Row, right: Row, width: number): Row {
  const gap = width - rowWidth(left) - rowWidth(right);
  return gap < 1 ? fitRow(left, width) : [...left, span(' '.repeat(gap)), ...right];
}

export const select = (row: Row): Row => row.map((part) => ({ ...part, selected: true as const }));

/** Blocks of equal height, side by side. */
export function beside(...blocks: readonly (readonly Row[])[]): Row[] {
  const height = Math.max(0, ...blocks.map((block) => block.length));
  return Array.from({ length: height }, (_, y) => blocks.flatMap((block) => block[y] ?? []));
}
