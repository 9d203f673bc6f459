/** A panel around a table: its edge shows which part of the list is on the screen. */
import type { Row } from '../spans.js';
import { span } from '../spans.js';
import type { PanelFrame } from './panel.js';
import { FRAME, hasFrame, panel } from './panel.js';
import type { TableView } from './table.js';
import { firstLine, HEAD, table } from './table.js';

/** Lines of the list that a panel of this height shows. */
export const visibleLines = (height: number): number => Math.max(0, height - FRAME - HEAD);

/** @param empty said instead of a table without lines */
export function tablePanel<Item>(
  frame: PanelFrame,
  view: TableView<Item>,
  empty: string,
  width: number,
  height: number,
): Row[] {
  if (view.length === 0) return panel(frame, [[span(` ${empty}`, 'dim')]], width, height);
  if (!hasFrame(width, height)) return panel(frame, table(view, width, height), width, height);
  const visible = visibleLines(height);
  const list = { from: firstLine(view.from, view.length, visible), visible, length: view.length };
  return panel({ ...frame, list }, table(view, width - FRAME, height - FRAME), width, height);
}
