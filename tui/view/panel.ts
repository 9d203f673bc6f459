/** A framed block of exactly the size asked for: title and note in the top edge, a remark in the bottom edge. */
import type { Row, Span } from '../spans.js';
import { fitRow, rowWidth, span } from '../spans.js';

export interface PanelFrame {
  readonly title: string;
  /** Key that gives it the focus. */
  readonly key?: string;
  /** Right end of the top edge; left out when there is no room. */
  readonly note?: Row;
  /** In the bottom edge; cut when there is no room. */
  readonly remark?: Row;
  readonly focused: boolean;
}

/** Cells that the frame takes from the width and lines that it takes from the height. */
export const FRAME = 2;

export function panel(frame: PanelFrame, body: readonly Row[], width: number, height: number): Row[] {
  if (height < FRAME + 1 || width < FRAME + 4) {
    return Array.from({ length: height }, (_, y) => fitRow(body[y] ?? [], width));
  }
  const edge = frame.focused ? 'focus' : 'frame';
  const inner = width - FRAME;
  const side = span('│', edge);
  const rows: Row[] = [topEdge(frame, inner)];
  for (let y = 0; y < height - FRAME; y++) rows.push([side, ...fitRow(body[y] ?? [], inner), side]);
  rows.push(bottomEdge(frame, inner));
  return rows;
}

function topEdge({ title, key, note = [], focused }: PanelFrame, inner: number): Row {
  const edge = focused ? 'focus' : 'frame';
  const label: Span[] = [span('─ ', edge)];
  if (key !== undefined) label.push(span(key, 'accent'), span(' '));
  label.push(span(title, 'strong'), span(' ', edge));
  const left = rowWidth(label) < inner ? label : fitRow(label, inner);
  const noteWidth = note.length === 0 ? 0 : rowWidth(note) + 3;
  const room = inner - rowWidth(left);
  if (noteWidth === 0 || noteWidth > room) {
    return [span('╭', edge), ...left, span('─'.repeat(Math.max(0, room)), edge), span('╮', edge)];
  }
  return [
    span('╭', edge),
    ...left,
    span(`${'─'.repeat(room - noteWidth)} `, edge),
    ...note,
    span(' ─╮', edge),
  ];
}

function bottomEdge({ remark = [], focused }: PanelFrame, inner: number): Row {
  const edge = focused ? 'focus' : 'frame';
  if (remark.length === 0) return [span(`╰${'─'.repeat(inner)}╯`, edge)];
  const cells = Math.min(rowWidth(remark), inner - 4);
  return [
    span('╰─ ', edge),
    ...fitRow(remark, cells),
    span(` ${'─'.repeat(Math.max(0, inner - cells - 3))}╯`, edge),
  ];
}
