/** The piece map of the chosen torrent, with the availability of the same pieces below it. */
import type { TorrentSnapshot } from '../engine.js';
import { formatSize } from '../format.js';
import type { Model } from '../model.js';
import { chosenTorrent } from '../model.js';
import type { PieceCell } from '../piece-map.js';
import { availabilityCells, distributedCopies, mapCells, pieceCells } from '../piece-map.js';
import type { Row, Span } from '../spans.js';
import { span } from '../spans.js';
import { FRAME, panel } from './panel.js';

const LEVELS = '▁▂▃▄▅▆▇█';
/** Peers that make a full bar in the availability line. */
const FULL_AVAILABILITY = 8;

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
  switch (cell.kind) {
    case 'have':
      if (cell.share >= 1) return span('█', 'have');
      return cell.share >= 0.5 ? span('▓', 'have') : span('▒', 'have');
    case 'verifying':
      return span('▓', 'good');
    case 'requested':
      return span('▒', 'down');
    case 'missing':
      return span('░', 'faint');
    case 'nowhere':
      return span('░', 'bad');
    case 'unwanted':
      return span('·', 'faint');
  }
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

const legend = (width: number): Row => {
  const gap = width >= 50 ? '   ' : ' ';
  return [
    span('█', 'have'),
    span(` have${gap}`, 'dim'),
    span('▒', 'down'),
    span(` coming${gap}`, 'dim'),
    span('░', 'faint'),
    span(` missing${gap}`, 'dim'),
    span('░', 'bad'),
    span(width >= 50 ? ' nobody has it' : ' nobody', 'dim'),
  ];
};

const group = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
