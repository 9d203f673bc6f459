/** Virtual tables: columns that give way when the width is small, and only the visible lines are built. */

import { cellWidth } from '../engine.js';
import type { Row, Span } from '../spans.js';
import { fitRow, fitText, select, span } from '../spans.js';

export interface Column<Item> {
  readonly title: string;
  /** Least cells. */
  readonly width: number;
  /** Share of the cells left over; 0 when left out. */
  readonly grow?: number;
  /** Cells it never grows beyond. */
  readonly most?: number;
  readonly right?: true;
  /** Columns with the highest number go first when the width is too small; 0 stays. */
  readonly yields: number;
  cell(item: Item, width: number): Span | Row;
}

export interface TableView<Item> {
  readonly columns: readonly Column<Item>[];
  readonly length: number;
  item(index: number): Item | undefined;
  /** First line wanted; moved so that the last screen is full. */
  readonly from: number;
  /** Line that is marked. */
  readonly marked?: number;
}

/** Lines that the titles of the columns take; where there is one line, it is the item's. */
export const HEAD = 1;

export function table<Item>(view: TableView<Item>, width: number, height: number): Row[] {
  if (height <= 0) return [];
  const gap = width >= 100 ? 2 : 1;
  const columns = layOut(view.columns, width - 2, gap);
  const head = line(columns, gap, width, ({ column, cells }) => title(column, cells));
  const rows: Row[] = height > HEAD ? [head] : [];
  const visible = height - rows.length;
  const from = firstLine(view.from, view.length, visible);
  for (let index = from; index < Math.min(view.length, from + visible); index++) {
    const item = view.item(index);
    if (item === undefined) continue;
    const row = line(columns, gap, width, ({ column, cells }) => cell(column, cells, item));
    rows.push(index === view.marked ? select(row) : row);
  }
  return rows;
}

/** The first line to show so that no line is wasted below the end. */
export const firstLine = (wanted: number, length: number, visible: number): number =>
  Math.max(0, Math.min(wanted, length - visible));

interface Laid<Item> {
  readonly column: Column<Item>;
  readonly cells: number;
}

function layOut<Item>(columns: readonly Column<Item>[], width: number, gap: number): Laid<Item>[] {
  const kept = [...columns];
  const needed = () => kept.reduce((sum, column) => sum + column.width + gap, -gap);
  while (needed() > width && kept.length > 1) {
    const highest = kept.reduce((worst, column) => (column.yields > worst.yields ? column : worst));
    if (highest.yields === 0) break;
    kept.splice(kept.indexOf(highest), 1);
  }
  let spare = Math.max(0, width - needed());
  let shares = kept.reduce((sum, column) => sum + (column.grow ?? 0), 0);
  return kept.map((column) => {
    const grow = column.grow ?? 0;
    if (grow === 0) return { column, cells: column.width };
    const extra = Math.min(Math.floor((spare * grow) / shares), (column.most ?? width) - column.width);
    spare -= extra;
    shares -= grow;
    return { column, cells: column.width + extra };
  });
}

function line<Item>(
  columns: readonly Laid<Item>[],
  gap: number,
  width: number,
  make: (laid: Laid<Item>) => Row,
): Row {
  const row: Span[] = [span(' ')];
  columns.forEach((laid, index) => {
    if (index > 0) row.push(span(' '.repeat(gap)));
    row.push(...make(laid));
  });
  return fitRow(row, width);
}

const title = <Item>(column: Column<Item>, cells: number): Row => [
  span(fitText(column.title, cells, column.right ? 'right' : 'left'), 'dim'),
];

function cell<Item>(column: Column<Item>, cells: number, item: Item): Row {
  const content = column.cell(item, cells);
  if ('text' in content) {
    return [{ ...content, text: fitText(content.text, cells, column.right ? 'right' : 'left') }];
  }
  const fill = cells - content.reduce((sum, part) => sum + cellWidth(part.text), 0);
  if (fill < 0) return fitRow(content, cells);
  return column.right ? [span(' '.repeat(fill)), ...content] : [...content, span(' '.repeat(fill))];
}
