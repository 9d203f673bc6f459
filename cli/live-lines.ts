/** Live lines: a snapshot as the few lines that redraw themselves, or as one plain line now and then. */
import { cellWidth, type EngineSnapshot, printable, type TorrentSnapshot } from '../engine/index.js';
import { formatBytes, formatDuration, formatRate, formatShare, progressBar } from '../tui/format.js';
import { reason } from '../tui/reason.js';
import { shorten } from '../tui/shorten.js';
import type { Output } from './output.js';
import { count, plural } from './words.js';

/** Torrents with a line of their own; those above it are counted. */
const MAX_LINES = 6;
const MAX_NAME_CELLS = 30;
const INDENT = '  ';
const MIN_BAR_CELLS = 8;
const MAX_BAR_CELLS = 28;
/** With a shorter bar than this, numbers that can be done without are left out. */
const GOOD_BAR_CELLS = 16;
const PERCENT_CELLS = 6;
const RATE_CELLS = 10;
const ETA_CELLS = 7;
const PEERS_CELLS = 9;
const BYTES_CELLS = 8;

type Paint = Output['paint'];

/** @param cells how long a line may be; null writes plain lines of any length */
export function liveLines(snapshot: EngineSnapshot, cells: number | null, paint: Paint): string[] {
  const { torrents } = snapshot;
  const [only] = torrents;
  if (cells === null) return [plainLine(snapshot)];
  if (torrents.length === 1 && only !== undefined) return [torrentLine(only, snapshot, '', cells, paint)];
  const open = torrents.filter(isOpen);
  const shown = open.slice(0, MAX_LINES);
  const nameCells = Math.min(
    Math.floor(cells / 4),
    Math.max(0, ...shown.map(({ name }) => cellWidth(printable(name, MAX_NAME_CELLS)))),
  );
  const lines = shown.map((torrent) =>
    torrentLine(torrent, snapshot, `${nameIn(torrent, nameCells)}  `, cells, paint),
  );
  if (open.length > shown.length) lines.push(`${INDENT}… and ${count(open.length - shown.length)} more`);
  lines.push(`${INDENT}${totals(snapshot)}`);
  return lines;
}

/** `film.mkv  42.1 %  1.20 GiB of 2.85 GiB  ↓ 12.3 MiB/s  ↑ 1.02 MiB/s  eta 2m 10s  5 peers`. */
function plainLine(snapshot: EngineSnapshot): string {
  const { torrents } = snapshot;
  const [only] = torrents;
  if (torrents.length !== 1 || only === undefined) return totals(snapshot);
  const name = shorten(only.name, MAX_NAME_CELLS);
  if (only.phase === 'seeding') return `${name}  ${seedingFigures(only, String)}`;
  const share = shareOf(only);
  const why = waitsFor(only, snapshot);
  if (why !== undefined) return `${name}  ${formatShare(share)}  ${why}`;
  const done = `${formatBytes(only.haveBytes)} of ${formatBytes(only.wantedBytes)}`;
  const rates = `↓ ${formatRate(only.downloadBytesPerSecond)}  ↑ ${formatRate(only.uploadBytesPerSecond)}`;
  const eta = `eta ${formatDuration(only.etaSeconds)}`;
  return `${name}  ${formatShare(share)}  ${done}  ${rates}  ${eta}  ${plural(only.connectedPeers, 'peer')}`;
}

/** `  ━━━━━━━━╸─────────   42.1 %  ↓  4.00 MiB/s  ↑     0 B/s  eta 2m 10s  5 peers`, never over `cells`. */
function torrentLine(
  torrent: TorrentSnapshot,
  snapshot: EngineSnapshot,
  name: string,
  cells: number,
  paint: Paint,
): string {
  const start = INDENT + name;
  if (torrent.phase === 'seeding')
    return start + seedingFigures(torrent, (rate) => rate.padStart(RATE_CELLS));
  const share = shareOf(torrent);
  const percent = formatShare(share).padStart(PERCENT_CELLS);
  const left = cells - cellWidth(start) - percent.length - 1;
  const why = waitsFor(torrent, snapshot);
  const figures = chooseFigures(torrent, left);
  const usual = clamp(left - figures.length, MIN_BAR_CELLS, MAX_BAR_CELLS);
  if (why === undefined) return `${start}${drawBar(share, usual, paint)} ${percent}${figures}`;
  const bar = clamp(left - 2 - cellWidth(why), MIN_BAR_CELLS, usual);
  const tail = printable(why, Math.max(0, left - bar - 2));
  return `${start}${drawBar(share, bar, paint)} ${percent}  ${paint('dim', tail)}`;
}

/** The figures that leave room for a bar: uploading goes first, where there is little. */
function chooseFigures(torrent: TorrentSnapshot, cells: number): string {
  const bytes = `  ${formatBytes(torrent.haveBytes).padStart(BYTES_CELLS)} of ${formatBytes(torrent.wantedBytes)}`;
  const down = `  ↓ ${formatRate(torrent.downloadBytesPerSecond).padStart(RATE_CELLS)}`;
  const up = `  ↑ ${formatRate(torrent.uploadBytesPerSecond).padStart(RATE_CELLS)}`;
  const eta = `  eta ${formatDuration(torrent.etaSeconds).padEnd(ETA_CELLS)}`;
  const peers = `  ${plural(torrent.connectedPeers, 'peer').padEnd(PEERS_CELLS)}`;
  const full = bytes + down + up + eta + peers;
  if (cells - full.length >= GOOD_BAR_CELLS) return full;
  const most = down + up + eta + peers;
  return cells - most.length >= MIN_BAR_CELLS ? most : down + eta;
}

function seedingFigures(torrent: TorrentSnapshot, pad: (rate: string) => string): string {
  const { uploadedBytes, uploadBytesPerSecond, connectedPeers } = torrent;
  const up = `seeding  ↑ ${pad(formatRate(uploadBytesPerSecond))}  sent ${formatBytes(uploadedBytes)}`;
  return `${up}  ratio ${formatRatio(ratioOf(torrent))}  ${plural(connectedPeers, 'peer')}`;
}

/** `all 3 torrents: 1 complete  ↓ 4.00 MiB/s  ↑ 0 B/s  eta 9s  4 peers`. */
function totals(snapshot: EngineSnapshot): string {
  const { torrents, downloadBytesPerSecond, uploadBytesPerSecond, peerCount } = snapshot;
  const complete = torrents.filter(({ phase }) => phase === 'seeding').length;
  const failed = torrents.filter(({ phase }) => phase === 'failed').length;
  const states = [`${count(complete)} complete`, ...(failed > 0 ? [`${count(failed)} failed`] : [])];
  const rates = `↓ ${formatRate(downloadBytesPerSecond)}  ↑ ${formatRate(uploadBytesPerSecond)}`;
  const etas = torrents.filter(isOpen).map(({ etaSeconds }) => etaSeconds ?? Number.POSITIVE_INFINITY);
  const eta = etas.length === 0 ? '' : `  eta ${formatDuration(Math.max(...etas))}`;
  return `${plural(torrents.length, 'torrent')}, ${states.join(', ')}  ${rates}${eta}  ${plural(peerCount, 'peer')}`;
}

/** Why nothing moves; undefined while something does. */
export function waitsFor(torrent: TorrentSnapshot, snapshot: EngineSnapshot): string | undefined {
  if (torrent.phase === 'seeding' || torrent.downloadBytesPerSecond > 0) return undefined;
  const why = reason(torrent, snapshot)?.text;
  // The share is told beside it.
  return torrent.phase === 'checking' ? 'checking what is on disk' : why;
}

/** Sent per byte of what was chosen; null for a torrent without content. */
export const ratioOf = ({ uploadedBytes, wantedBytes }: TorrentSnapshot): number | null =>
  wantedBytes === 0 ? null : uploadedBytes / wantedBytes;

export const formatRatio = (ratio: number | null): string => (ratio === null ? '–' : ratio.toFixed(2));

const clamp = (value: number, min: number, max: number): number => Math.max(min, Math.min(max, value));

const isOpen = ({ phase }: TorrentSnapshot): boolean =>
  phase === 'metadata' || phase === 'checking' || phase === 'downloading';

function shareOf({ phase, metadata, checkedShare, haveBytes, wantedBytes }: TorrentSnapshot): number {
  if (phase === 'metadata') return metadata?.share ?? 0;
  if (phase === 'checking') return checkedShare;
  return wantedBytes === 0 ? 1 : haveBytes / wantedBytes;
}

export function drawBar(share: number, cells: number, paint: Paint): string {
  const [done, rest] = progressBar(share, cells);
  return paint('green', done) + paint('dim', rest);
}

function nameIn({ name }: TorrentSnapshot, cells: number): string {
  const text = shorten(name, cells);
  return text + ' '.repeat(Math.max(0, cells - cellWidth(text)));
}
