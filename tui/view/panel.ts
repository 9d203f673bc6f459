/** A framed block of exactly the size asked for: title and note in the top edge, a remark in the bottom edge. */
import type { Row, Span, Style } from '../spans.js';
import { fitRow, rowWidth, span } from '../spans.js';

export interface PanelFrame {
  readonly title: string;
  /** Key that gives it the focus. */
  readonly key?: string;
  /** Right end of the top edge; left out when there is no room. */
  readonly note?: Row;
  /** In the bottom edge; cut when there is no room. */
  readonly remark?: Row;
  /** Drawn with heavy lines: a terminal without colours shows it, too. */
  readonly focused: boolean;
  /** A list of which the last `visible` lines of the body are a part; the right edge shows which. */
  readonly list?: ListPart;
}

interface ListPart {
  readonly from: number;
  readonly visible: number;
  readonly length: number;
}

interface Lines {
  readonly across: string;
  readonly down: string;
  /** Top left, top right, bottom left, bottom right. */
  readonly corners: readonly [string, string, string, string];
}

const LIGHT: Lines = { across: '─', down: '│', corners: ['╭', '╮', '╰', '╯'] };
const HEAVY: Lines = { across: '━', down: '┃', corners: ['┏', '┓', '┗', '┛'] };
const THUMB = '▐';

/** Cells that the frame takes from the width and lines that it takes from the height. */
export const FRAME = 2;

/** Too small a panel is its body alone. */
export const hasFrame = (width: number, height: number): boolean => height > FRAME && width >= FRAME + 4;

export function panel(frame: PanelFrame, body: readonly Row[], width: number, height: number): Row[] {
  if (!hasFrame(width, height)) {
    return Array.from({ length: height }, (_, y) => fitRow(body[y] ?? [], width));
  }
  const edge = frame.focused ? 'focus' : 'frame';
  const lines = frame.focused ? HEAVY : LIGHT;
  const inner = width - FRAME;
  const side = span(lines.down, edge);
  const thumb = thumbOf(frame.list, height - FRAME);
  const rows: Row[] = [topEdge(frame, lines, edge, inner)];
  for (let y = 0; y < height - FRAME; y++) {
    const onThumb = thumb !== undefined && y >= thumb.from && y < thumb.to;
    rows.push([side, ...fitRow(body[y] ?? [], inner), onThumb ? span(THUMB, 'accent') : side]);
  }
  rows.push(bottomEdge(frame, lines, edge, inner));
  return rows;
}

/** Lines of the body beside which the thumb stands; undefined when all of the list is on the screen. */
function thumbOf(list: ListPart | undefined, bodyHeight: number): { from: number; to: number } | undefined {
  if (list === undefined || list.visible < 2 || list.length <= list.visible) return undefined;
  const { from, visible, length } = list;
  const size = Math.min(visible - 1, Math.max(1, Math.round((visible * visible) / length)));
  const top = bodyHeight - visible + Math.round(((visible - size) * from) / (length - visible));
  return { from: top, to: top + size };
}

function topEdge({ title, key, note = [] }: PanelFrame, lines: Lines, edge: Style, inner: number): Row {
  const {
    across,
    corners: [leftCorner, rightCorner],
  } = lines;
  const label: Span[] = [span(`${across} `, edge)];
  // In brackets, as a bare digit in front of a word would count it.
  if (key !== undefined) label.push(span(`[${key}]`, 'accent'), span(' '));
  label.push(span(title, 'strong'), span(' ', edge));
  const left = rowWidth(label) < inner ? label : fitRow(label, inner);
  const noteWidth = note.length === 0 ? 0 : rowWidth(note) + 3;
  const room = inner - rowWidth(left);
  if (noteWidth === 0 || noteWidth > room) {
    const rest = across.repeat(Math.max(0, room));
    return [span(leftCorner, edge), ...left, span(rest + rightCorner, edge)];
  }
  return [
    span(leftCorner, edge),
    ...left,
    span(`${across.repeat(room - noteWidth)} `, edge),
    ...note,
    span(` ${across}${rightCorner}`, edge),
  ];
}

function bottomEdge({ remark = [] }: PanelFrame, lines: Lines, edge: Style, inner: number): Row {
  const {
    across,
    corners: [, , leftCorner, rightCorner],
  } = lines;
  if (remark.length === 0) return [span(leftCorner + across.repeat(inner) + rightCorner, edge)];
  const cells = Math.min(rowWidth(remark), inner - 4);
  return [
    span(`${leftCorner}${across} `, edge),
    ...fitRow(remark, cells),
    span(` ${across.repeat(Math.max(0, inner - cells - 3))}${rightCorner}`, edge),
  ];
}
