/** Columns that several tables have, described once: rates, sizes, amounts, counts, bars. */
import { formatBytes, progressBar } from '../format.js';
import type { Span, Style } from '../spans.js';
import { span } from '../spans.js';
import type { Column } from './table.js';

const RATE_TITLE = { down: '↓/s', up: '↑/s' } as const;

export const rateColumn = <Item>(
  direction: 'down' | 'up',
  yields: number,
  bytesPerSecond: (item: Item) => number,
): Column<Item> => ({
  title: RATE_TITLE[direction],
  width: 8,
  right: true,
  yields,
  cell: (item) => quiet(bytesPerSecond(item), formatBytes(bytesPerSecond(item)), direction),
});

/** How large something is: nothing is a size, too. */
export const sizeColumn = <Item>(yields: number, bytes: (item: Item) => number): Column<Item> => ({
  title: 'size',
  width: 8,
  right: true,
  yields,
  cell: (item) => span(formatBytes(bytes(item)), 'dim'),
});

/** What went over the wire so far. */
export const amountColumn = <Item>(
  title: string,
  yields: number,
  bytes: (item: Item) => number,
): Column<Item> => ({
  title,
  width: 8,
  right: true,
  yields,
  cell: (item) => quiet(bytes(item), formatBytes(bytes(item)), 'dim'),
});

export const countColumn = <Item>(
  title: string,
  yields: number,
  count: (item: Item) => number,
): Column<Item> => ({
  title,
  width: 5,
  right: true,
  yields,
  cell: (item) => quiet(count(item), String(count(item)), 'text'),
});

/** @param share null draws an empty bar: there is nothing to come */
export const barColumn = <Item>(
  room: Pick<Column<Item>, 'title' | 'width' | 'grow' | 'most' | 'yields'>,
  share: (item: Item) => number | null,
  style: (item: Item) => Style,
): Column<Item> => ({
  ...room,
  cell: (item, cells) => {
    const [done, rest] = progressBar(share(item) ?? 0, cells);
    return [span(done, style(item)), span(rest, 'faint')];
  },
});

/** Zero is written as a quiet dash, so that the eye finds what moves. */
export const quiet = (value: number, text: string, style: Style): Span =>
  value > 0 ? span(text, style) : span('–', 'faint');
