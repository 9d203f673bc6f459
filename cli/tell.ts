/** Tell: what happens to a torrent of a session, as JSON events and, where it matters to people, as lines. */
import { join, relative } from 'node:path';
import {
  type MetadataFetch,
  type Metainfo,
  printable,
  type Torrent,
  type TorrentEvent,
} from '../engine/index.js';
import { formatBytes, formatDuration, formatRate, formatShare } from '../tui/format.js';
import type { CommandEvent } from './events.js';
import { formatRatio } from './live-lines.js';
import type { Output } from './output.js';
import { plural } from './words.js';

type Summary = Extract<CommandEvent, { type: 'summary' }>;

/** Paths and reasons longer than this are cut for people; --json has all of them. */
const MAX_TEXT_CELLS = 300;

export function addedEvent({ infoHash, name, totalBytes, pieceCount, files }: Metainfo): CommandEvent {
  return { type: 'added', infoHash, name, totalBytes, pieceCount, fileCount: files.length };
}

/** From now on. Call it right after adding the torrent. */
export function tellEvents(torrent: Torrent, output: Output): void {
  output.event(addedEvent(torrent.metainfo));
  torrent.onEvent((event) => tellEvent(torrent.metainfo.infoHash, event, output));
}

/** The same while peers are looked for that know what a link names. */
export function tellFetch(fetch: MetadataFetch, output: Output): void {
  fetch.onEvent((event) => tellEvent(fetch.infoHash, event, output));
}

function tellEvent(infoHash: string, event: TorrentEvent, output: Output): void {
  if (event.type === 'piece') return;
  output.event({ ...event, infoHash });
  if (event.type !== 'peer-banned') return;
  const host = event.host.includes(':') ? `[${event.host}]` : event.host;
  output.note(
    `${output.paint('yellow', 'banned')} ${host}:${event.port}: ${printable(event.reason, MAX_TEXT_CELLS)}`,
  );
}

/** `downloading film.mkv, 57.2 MiB in 1,832 pieces → ./film.mkv`. */
export function tellStart(torrent: Torrent, out: string, output: Output): void {
  const { metainfo } = torrent;
  const { haveBytes, wantedBytes } = torrent.snapshot();
  const [top = ''] = metainfo.files[0]?.diskPath.split('/') ?? [];
  const target = printable(shortPath(join(out, top)) + (metainfo.singleFile ? '' : '/'), MAX_TEXT_CELLS);
  const all = wantedBytes === metainfo.totalBytes ? '' : ` of ${formatBytes(metainfo.totalBytes)}`;
  const size = `${formatBytes(wantedBytes)}${all} in ${plural(metainfo.pieceCount, 'piece')}`;
  const resumed = haveBytes === 0 ? '' : `, ${formatShare(haveBytes / wantedBytes)} is here`;
  output.note(
    `${output.paint('bold', 'downloading')} ${printable(metainfo.name)}, ${size} → ${target}${resumed}`,
  );
}

/** `complete film.mkv: 57.2 MiB in 15s at 3.81 MiB/s, ratio 0.02`. */
export function tellComplete(summary: Summary, output: Output): void {
  const { name, wantedBytes, downloadedBytes, ratio, seconds } = summary;
  const size = formatBytes(wantedBytes);
  const fetched = downloadedBytes < wantedBytes ? `${size}, ${formatBytes(downloadedBytes)} of it` : size;
  const how =
    downloadedBytes === 0
      ? `${size}, was here already`
      : `${fetched} in ${formatSeconds(seconds)} at ${formatRate(downloadedBytes / seconds)}, ratio ${formatRatio(ratio)}`;
  output.note(`${output.paint('green', 'complete')} ${printable(name)}: ${how}`);
}

/** `seeded film.mkv: sent 57.3 MiB in 2m 05s, ratio 1.00`. */
export function tellSeeded(summary: Summary, output: Output): void {
  const { name, uploadedBytes, ratio, seconds } = summary;
  const sent = `sent ${formatBytes(uploadedBytes)} in ${formatSeconds(seconds)}, ratio ${formatRatio(ratio)}`;
  output.note(`${output.paint('green', 'seeded')} ${printable(name)}: ${sent}`);
}

/** A fault of one among several: the others go on, and it is what the command ends with. */
export function tellFault(what: string, error: Error, output: Output): void {
  output.note(
    `${output.paint('red', 'failed')} ${printable(what)}: ${printable(error.message, MAX_TEXT_CELLS)}`,
  );
}

const formatSeconds = (seconds: number): string =>
  seconds < 10 ? `${seconds.toFixed(1)}s` : formatDuration(seconds);

/** As somebody in this folder would type it. */
function shortPath(path: string): string {
  const fromHere = relative('.', path);
  return fromHere.startsWith('..') || fromHere === '' ? path : `./${fromHere}`;
}
