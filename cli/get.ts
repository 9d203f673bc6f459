/** `swarm get`: downloads torrents, verifies every piece, and exits or goes on seeding. */

import { type Metainfo, type PeerAddress, printable, SwarmError, type Torrent } from '../engine/index.js';
import { readTorrentFile } from '../engine/torrent-files.js';
import { formatBytes, formatDuration, formatRate } from '../tui/format.js';
import { chooseFiles } from './choose-files.js';
import { defineCommand, flag, text, UsageError, value } from './command.js';
import { EXIT } from './exit-codes.js';
import { engineOptions, NETWORK_OPTIONS, resolvePeers } from './network-options.js';
import type { Output } from './output.js';
import { type Session, tellEvents, withSession } from './session.js';
import { parseDuration } from './units-text.js';

const MAX_SOURCES = 1_000;

export const command = defineCommand({
  name: 'get',
  about:
    'Downloads what the torrents describe, verifies every piece by SHA-1, and exits. Started again, it goes on ' +
    'where it stopped: what is on disk is checked, not fetched again.',
  positionals: { placeholder: 'SOURCE', min: 1, max: MAX_SOURCES },
  options: {
    out: value('DIR', 'download into this folder (default: here)', text, 'o'),
    files: value('LIST|GLOB', 'only these files: 1,3-5 as swarm info numbers them, or *.mkv', text),
    sequential: flag('fetch pieces in order'),
    timeout: value('DURATION', 'exit 4 when nothing arrives for so long (default: wait)', parseDuration),
    'seed-ratio': value('R', 'go on seeding until R times the size is sent', parseRatio),
    'seed-time': value('DURATION', 'go on seeding for so long', parseDuration),
    'keep-seeding': flag('go on seeding until interrupted'),
    ...NETWORK_OPTIONS,
  },
  examples: [
    ['get debian.torrent', 'into the current folder'],
    ['get album.torrent --out ~/music --files "*.flac"', 'some files only'],
    ['get film.torrent --down 2M --up 200K --seed-ratio 1', 'limited, giving back as much'],
    ['get data.torrent --peer 10.0.0.7:6881 --timeout 60s', 'from a peer that you know, or exit code 4'],
    ['get data.torrent --json | jq -r "select(.type == \\"progress\\").peers"', 'in a script'],
    ['get a.torrent b.torrent --tui', 'with the dashboard'],
  ],

  async run({ positionals: sources, options }, output) {
    const torrents = await Promise.all(sources.map(readSource));
    const wanted = torrents.map(({ files }) =>
      options.files === undefined ? undefined : chooseFiles(options.files, files),
    );
    const peers = await resolvePeers(options.peer);
    return withSession(
      { engine: engineOptions(options), dashboard: options.tui },
      output,
      async (session) => {
        const startedAt = performance.now();
        const added = torrents.map((metainfo, i) =>
          add(session, metainfo, wanted[i], peers, options, output),
        );
        warnOfNoPeers(added, options, output);
        try {
          await complete(session, added, options.timeout);
          for (const torrent of added) tellComplete(torrent, startedAt, output);
          await seed(session, added, options);
        } catch (thrown) {
          // Leaving while everything is there is an end like any other.
          if (!session.signal.aborted || !added.every(isComplete)) throw thrown;
        }
        return EXIT.done;
      },
    );
  },
});

interface GetOptions {
  readonly out: string | undefined;
  readonly sequential: boolean;
  readonly tracker: readonly string[];
  readonly peer: readonly unknown[];
  readonly listen: unknown;
  readonly 'seed-ratio': number | undefined;
  readonly 'seed-time': number | undefined;
  readonly 'keep-seeding': boolean;
}

async function readSource(source: string): Promise<Metainfo> {
  if (/^(magnet:|https?:)/i.test(source) || /^([0-9a-f]{40}|[a-z2-7]{32})$/i.test(source)) {
    throw new SwarmError(
      'USAGE_NOT_SUPPORTED',
      `this version reads torrent files only, got "${printable(source, 60)}"`,
      { source },
      { hint: 'Save the .torrent file and give its path.' },
    );
  }
  return (await readTorrentFile(source)).metainfo;
}

function add(
  session: Session,
  metainfo: Metainfo,
  wantedFiles: readonly boolean[] | undefined,
  peers: readonly PeerAddress[],
  options: GetOptions,
  output: Output,
): Torrent {
  const torrent = session.engine.add(metainfo, {
    out: options.out ?? '.',
    sequential: options.sequential,
    trackers: options.tracker,
    peers,
    ...(wantedFiles === undefined ? {} : { wantedFiles }),
  });
  tellEvents(torrent, output);
  return torrent;
}

function warnOfNoPeers(torrents: readonly Torrent[], options: GetOptions, output: Output): void {
  if (options.tracker.length > 0 || options.peer.length > 0) return;
  for (const { metainfo } of torrents) {
    if (metainfo.trackers.length > 0) continue;
    const name = printable(metainfo.name, 60);
    output.note(`${name} names no tracker: only peers that connect to us, or --peer, can be found`);
  }
}

/** Waits for all; the first fault of a torrent ends the command once the others are done. */
async function complete(
  session: Session,
  torrents: readonly Torrent[],
  timeoutMs: number | undefined,
): Promise<void> {
  let settled = false;
  const all = Promise.allSettled(torrents.map((torrent) => torrent.completed)).then((results) => {
    settled = true;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
  const stalls =
    timeoutMs === undefined ? [] : [throwWhenStalled(session, torrents, timeoutMs, () => settled)];
  await Promise.race([session.unlessLeft(all), ...stalls]);
}

/** Returns when `settled`; throws PEERS_NONE when nothing arrived for so long. */
async function throwWhenStalled(
  session: Session,
  torrents: readonly Torrent[],
  timeoutMs: number,
  settled: () => boolean,
): Promise<void> {
  let received = -1;
  let arrivedAt = performance.now();
  await session.until(() => {
    const before = received;
    received = torrents.reduce((bytes, torrent) => bytes + torrent.transferred.downloadedBytes, 0);
    const busy = received !== before || torrents.some(({ phase }) => phase === 'checking');
    if (busy) arrivedAt = performance.now();
    return settled() || performance.now() - arrivedAt >= timeoutMs;
  });
  if (settled()) return;
  throw new SwarmError(
    'PEERS_NONE',
    `nothing arrived for ${formatDuration(timeoutMs / 1000)}`,
    { timeoutMs },
    { hint: 'Are there seeds? swarm get --tui shows trackers and peers; --peer HOST:PORT adds one.' },
  );
}

function tellComplete(torrent: Torrent, startedAt: number, output: Output): void {
  const { name, wantedBytes, downloadedBytes } = torrent.snapshot();
  const seconds = (performance.now() - startedAt) / 1000;
  const how =
    downloadedBytes === 0
      ? 'was complete already'
      : `${formatBytes(wantedBytes)} in ${formatDuration(seconds)}, ${formatRate(downloadedBytes / seconds)}`;
  output.note(`${output.paint('green', 'complete')} ${printable(name)}: verified, ${how}`);
}

async function seed(session: Session, torrents: readonly Torrent[], options: GetOptions): Promise<void> {
  const { 'seed-ratio': ratio, 'seed-time': timeMs, 'keep-seeding': forever } = options;
  if (ratio === undefined && timeMs === undefined && !forever) return;
  const until = timeMs === undefined || forever ? Number.POSITIVE_INFINITY : performance.now() + timeMs;
  const goal = forever ? undefined : ratio;
  const sent = (torrent: Torrent) => torrent.transferred.uploadedBytes / torrent.metainfo.totalBytes;
  await session.until(
    () =>
      performance.now() >= until ||
      (goal !== undefined && torrents.every((torrent) => sent(torrent) >= goal)),
  );
}

const isComplete = (torrent: Torrent): boolean => torrent.phase === 'seeding';

function parseRatio(given: string): number {
  const ratio = Number(given);
  if (/^\d+(\.\d+)?$/.test(given) && ratio <= 1_000_000) return ratio;
  throw new UsageError(`expected a number such as 1 or 1.5, got "${given}"`);
}
