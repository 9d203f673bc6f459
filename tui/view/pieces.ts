/** The piece map of the chosen torrent, with the availability of the same pieces below it. */
import type { TorrentSnapshot } from '../engine.js';
import { formatSize } from '../format.js';
import type { Model } from '../model.js';
import { chosenTorrent } from '../model.js';
import type { PieceCell } from '../piece-map.js';
import { availabilityCells, distributedCopies, mapCells, pieceCells } from '../piece-map.js';
import type { Row, Span } from '../spans.js';
import { rowWidth, span } from '../spans.js';
import { FRAME, panel } from './panel.js';

const LEVELS = '▁▂▃▄▅▆▇█';
/** Peers that make a full bar in the availability line. */
const FULL_AVAILABILITY = 8;

/** Each another shape, not another colour only; the darker, the more is here. */
const GLYPH = {
  have: span('█', 'have'),
  mostly: span('▓', 'have'),
  partly: span('▒', 'have'),
  verifying: span('▆', 'good'),
  requested: span('▄', 'down'),
  missing: span('░', 'faint'),
  nowhere: span('×', 'bad'),
  unwanted: span('·', 'faint'),
} as const;

export function piecesPanel(model: Model, width: number, height: number): Row[] {
  const torrent = chosenTorrent(model);
  const inner = width - FRAME - 2;
  const body = torrent === undefined || torrent.pieceCount === 0 ? [] : map(torrent, inner, height - FRAME);
  return panel(
    {
      title: 'pieces',
      key: '3',
      focused: model.focus === 'pieces',
      note: note(torrent, width),
      remark: legend(width),
    },
    body,
    width,
    height,
  );
}

function note(torrent: TorrentSnapshot | undefined, width: number): Row {
  if (torrent === undefined) return [];
  const { havePieces, pieceCount, pieceLength, corruptPieces } = torrent;
  const size = width >= 60 ? ` × ${formatSize(pieceLength)}` : '';
  const corrupt: Row =
    corruptPieces > 0 && width >= 60 ? [span(` · ${group(corruptPieces)} corrupt`, 'bad')] : [];
  return [span(`${group(havePieces)} of ${group(pieceCount)}${size}`, 'dim'), ...corrupt];
}

function map(torrent: TorrentSnapshot, width: number, height: number): Row[] {
  if (width < 1 || height < 1) return [];
  const withAvailability = height >= 4;
  const gap = height >= 8 ? 1 : 0;
  const mapHeight = withAvailability ? height - 1 - gap : height;
  const count = mapCells(torrent.pieceCount, width * mapHeight);
  const perPiece = Math.max(1, Math.floor(count / torrent.pieceCount));
  const cells = pieceCells(torrent.pieceStates, torrent.pieceAvailability, Math.ceil(count / perPiece));
  const rows: Row[] = [];
  for (let y = 0; y < mapHeight; y++) {
    const row: Span[] = [span(' ')];
    for (let x = 0; x < width && y * width + x < count; x++) {
      const cell = cells[Math.floor((y * width + x) / perPiece)];
      if (cell !== undefined) append(row, glyph(cell));
    }
    rows.push(row);
  }
  if (gap > 0) rows.push([]);
  if (withAvailability) rows.push(availability(torrent, width));
  return rows;
}

/** Neighbours of one style share a span. */
function append(row: Span[], next: Span): void {
  const last = row.at(-1);
  if (last !== undefined && last.style === next.style)
    row[row.length - 1] = span(last.text + next.text, next.style);
  else row.push(next);
}

function glyph(cell: PieceCell): Span {
  if (cell.kind !== 'have') return GLYPH[cell.kind];
  if (cell.share >= 1) return GLYPH.have;
  return cell.share >= 0.5 ? GLYPH.mostly : GLYPH.partly;
}

function availability({ pieceAvailability, havePieces, pieceCount }: TorrentSnapshot, width: number): Row {
  const copies = `${distributedCopies(pieceAvailability).toFixed(2)} copies`;
  const cells = width - copies.length - 1;
  if (cells < 8) return [span(` ${copies}`, 'dim')];
  // What nobody else has matters only to who still needs it.
  const none = span('▁', havePieces === pieceCount ? 'faint' : 'bad');
  const row: Span[] = [span(' ')];
  for (const lowest of availabilityCells(pieceAvailability, cells)) {
    const level = Math.min(LEVELS.length, Math.ceil((lowest * LEVELS.length) / FULL_AVAILABILITY));
    append(row, lowest === 0 ? none : span(LEVELS[level - 1] ?? ' ', 'up1'));
  }
  return [...row, span(` ${copies}`, 'dim')];
}

interface LegendEntry {
  readonly glyph: Span;
  readonly word: string;
  /** Where there is room. */
  readonly long: string;
}

const LEGEND: readonly LegendEntry[] = [
  { glyph: GLYPH.have, word: 'have', long: 'have' },
  { glyph: GLYPH.mostly, word: 'part', long: 'part' },
  { glyph: GLYPH.requested, word: 'coming', long: 'coming' },
  { glyph: GLYPH.missing, word: 'want', long: 'missing' },
  { glyph: GLYPH.nowhere, word: 'none', long: 'nobody has it' },
];
/** Cells of the long legend and its frame. */
const LONG_LEGEND_CELLS = 62;

/** Only whole entries. */
function legend(width: number): Row {
  const isLong = width >= LONG_LEGEND_CELLS;
  const room = width - FRAME - 4;
  const row: Span[] = [];
  for (const { glyph, word, long } of LEGEND) {
    const text = isLong ? ` ${long}` : ` ${word}`;
    const gap = row.length === 0 ? '' : isLong ? '   ' : ' ';
    if (rowWidth(row) + gap.length + 1 + text.length > room) break;
    row.push(span(gap), glyph, span(text, 'dim'));
  }
  return row;
}

/** For the help page: what a cell of the map says; a cell stands for several pieces when they are many. */
export const PIECE_HELP: readonly (readonly [glyphs: Row, means: string])[] = [
  [[GLYPH.have], 'have'],
  [[GLYPH.partly, GLYPH.mostly], 'have some of them'],
  [[GLYPH.requested], 'coming'],
  [[GLYPH.verifying], 'being verified'],
  [[GLYPH.missing], 'missing'],
  [[GLYPH.nowhere], 'missing, nobody has it'],
  [[GLYPH.unwanted], 'not wanted'],
  [[span('▁▄█', 'up1')], 'how many peers have it'],
];

const group = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
