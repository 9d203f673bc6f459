/** `swarm get`: downloads torrents, verifies every piece, and exits or goes on seeding. */
import { type Metainfo, type PeerAddress, printable, SwarmError, type Torrent } from '../engine/index.js';
import { readTorrentFile } from '../engine/torrent-files.js';
import { formatBytes, formatDuration, formatShare } from '../tui/format.js';
import { defineCommand, flag, text, value } from './command.js';
import { EXIT } from './exit-codes.js';
import { IdleWatch, type Watched } from './idle-watch.js';
import { Interrupted } from './interrupts.js';
import { waitsFor } from './live-lines.js';
import { engineOptions, NETWORK_OPTIONS, resolvePeers } from './network-options.js';
import type { Output } from './output.js';
import { type Session, summaryOf, withSession } from './session.js';
import { tellComplete, tellEvents, tellFault, tellSeeded, tellStart } from './tell.js';
import { parseDuration } from './units-text.js';
import { wantsDashboard } from './view.js';

const MAX_SOURCES = 1_000;
const MAX_RATIO = 1_000_000;

export const command = defineCommand({
  name: 'get',
  about:
    'Downloads what each SOURCE, a torrent file, describes, verifies every piece, and exits. Started again, it goes ' +
    'on where it stopped. Ctrl-C says goodbye and leaves; a second one leaves at once. The time that --timeout allows begins ' +
    'after the check of what is on disk. With --preallocate full a lack of space shows before the download.',
  positionals: { placeholder: 'SOURCE', min: 1, max: MAX_SOURCES },
  options: {
    out: value('DIR', 'download into this folder (default: here)', text, 'o'),
    files: value('LIST|GLOB', 'only these: 0,2-5 as in swarm info, or "*.mkv"', text),
    sequential: flag('fetch pieces in order'),
    preallocate: value('sparse|full', 'full writes zeros first (default: sparse)', parsePreallocate),
    timeout: value('DURATION', 'exit 4 when nothing arrives for so long', parseTimeout),
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
    const dashboard = wantsDashboard(options, output);
    const { torrents, fault } = await readSources(sources, output);
    const wanted = options.files === undefined ? [] : await choose(options.files, torrents);
    const peers = await resolvePeers(options.peer);
    return withSession({ engine: engineOptions(options), dashboard }, output, async (session) => {
      const several = sources.length > 1;
      const added = torrents.map((metainfo, i) =>
        add(session, metainfo, wanted[i], { peers, several, ...options }, output),
      );
      await download(session, added, options, output);
      const failed = fault ?? added.find(({ error }) => error !== null)?.error;
      if (failed) throw failed;
      return EXIT.done;
    });
  },
});

/** Loads globs, which cost a twentieth of the start, only for who chooses. */
async function choose(choice: string, torrents: readonly Metainfo[]): Promise<boolean[][]> {
  const { chooseFiles } = await import('./choose-files.js');
  return torrents.map(({ files }) => chooseFiles(choice, files));
}

interface GetOptions {
  readonly out: string | undefined;
  readonly sequential: boolean;
  readonly preallocate: 'sparse' | 'full' | undefined;
  readonly tracker: readonly string[];
  readonly timeout: number | undefined;
  readonly 'seed-ratio': number | undefined;
  readonly 'seed-time': number | undefined;
  readonly 'keep-seeding': boolean;
}

/** A source that cannot be read stops the others only when it is the command line that is wrong. */
async function readSources(
  sources: readonly string[],
  output: Output,
): Promise<{ torrents: Metainfo[]; fault: SwarmError | undefined }> {
  // By info-hash: the same torrent may be given twice.
  const torrents = new Map<string, Metainfo>();
  let fault: SwarmError | undefined;
  for (const source of sources) {
    assertTorrentFile(source);
    try {
      const { metainfo } = await readTorrentFile(source);
      torrents.set(metainfo.infoHash, metainfo);
    } catch (thrown) {
      if (sources.length === 1 || !(thrown instanceof SwarmError)) throw thrown;
      fault ??= thrown;
      output.event({ type: 'error', code: thrown.code, message: thrown.message, source });
      tellFault(source, thrown, output);
    }
  }
  if (fault !== undefined && torrents.size === 0) throw fault;
  return { torrents: [...torrents.values()], fault };
}

function assertTorrentFile(source: string): void {
  const other =
    /^magnet:/i.exec(source) !== null
      ? 'magnet links'
      : /^[a-z][a-z0-9+.-]+:\/\//i.test(source)
        ? 'URLs'
        : /^([0-9a-f]{40}|[a-z2-7]{32})$/i.test(source)
          ? 'info-hashes'
          : undefined;
  if (other === undefined) return;
  throw new SwarmError(
    'USAGE_NOT_SUPPORTED',
    `${other} are not supported yet: "${printable(source, 60)}"`,
    { source },
    { hint: 'Save the .torrent file and give its path.' },
  );
}

interface AddOptions extends GetOptions {
  readonly peers: readonly PeerAddress[];
  readonly several: boolean;
}

function add(
  { engine }: Session,
  metainfo: Metainfo,
  wantedFiles: readonly boolean[] | undefined,
  { out = '.', sequential, preallocate, tracker, peers, several }: AddOptions,
  output: Output,
): Torrent {
  const startedAt = performance.now();
  const torrent = engine.add(metainfo, {
    out,
    sequential,
    trackers: tracker,
    peers,
    ...(wantedFiles === undefined ? {} : { wantedFiles }),
    ...(preallocate === undefined ? {} : { preallocate }),
  });
  tellEvents(torrent, output);
  torrent.onEvent((event) => {
    if (event.type === 'checked' && event.haveBytes < event.totalBytes) tellStart(torrent, out, output);
    if (event.type === 'complete') tellComplete(summaryOf(torrent, startedAt), output);
    if (event.type === 'error' && several && torrent.error) tellFault(metainfo.name, torrent.error, output);
  });
  return torrent;
}

/** Until all is there, and seeded as long as was asked for. Torrents that failed are left to the caller. */
async function download(
  session: Session,
  torrents: readonly Torrent[],
  options: GetOptions,
  output: Output,
): Promise<void> {
  const startedAt = performance.now();
  try {
    await complete(session, torrents, options.timeout);
    await seed(session, torrents, options);
  } catch (thrown) {
    if (!(thrown instanceof Interrupted)) throw thrown;
    // Leaving while everything is there is an end like any other.
    if (!torrents.every(isSeeding)) throw new Interrupted(stoppedAt(torrents));
  } finally {
    for (const torrent of torrents) {
      const summary = summaryOf(torrent, startedAt);
      output.event(summary);
      if (goesOn(options) && isSeeding(torrent)) tellSeeded(summary, output);
    }
  }
}

/** Until each is complete or failed. @throws SwarmError PEERS_NONE or STORAGE_FAILED when nothing moved for `timeoutMs` */
async function complete(
  session: Session,
  torrents: readonly Torrent[],
  timeoutMs: number | undefined,
): Promise<void> {
  if (timeoutMs === undefined) {
    await session.unlessLeft(Promise.allSettled(torrents.map((torrent) => torrent.completed)));
    return;
  }
  const watch = new IdleWatch(timeoutMs, performance.now());
  let idle: ReturnType<IdleWatch['observe']>;
  await session.until(() => {
    idle = watch.observe(performance.now(), torrents.map(watched));
    return idle !== undefined || torrents.every(isSettled);
  });
  if (torrents.every(isSettled)) return;
  const fault = torrents.find(({ error }) => error !== null)?.error;
  throw fault ?? (idle === 'disk' ? nothingChecked(timeoutMs) : nothingArrived(session, timeoutMs));
}

/** A snapshot is dear while pieces come in, and tells nothing then that is not told for less. */
const watched = (torrent: Torrent): Watched => ({
  phase: torrent.phase,
  downloadedBytes: torrent.transferred.downloadedBytes,
  checkedShare: torrent.phase === 'checking' ? torrent.snapshot().checkedShare : 1,
});

function nothingChecked(timeoutMs: number): SwarmError {
  return new SwarmError(
    'STORAGE_FAILED',
    'the check of what is on disk does not go on: the disk does not answer',
    { timeoutMs },
    { hint: 'A network disk may have gone; without --timeout swarm waits for it.' },
  );
}

const PEERS_HINT = '--peer HOST:PORT adds a peer, --tracker URL a tracker; --tui shows what they say.';

function nothingArrived({ engine }: Session, timeoutMs: number): SwarmError {
  const snapshot = engine.snapshot();
  const why = snapshot.torrents.map((torrent) => waitsFor(torrent, snapshot)).find(Boolean);
  return new SwarmError(
    'PEERS_NONE',
    `nothing arrived for ${formatDuration(timeoutMs / 1000)}${why === undefined ? '' : `: ${why}`}`,
    { timeoutMs },
    // A reason that names the way out needs no hint.
    why?.includes('--peer') === true ? {} : { hint: PEERS_HINT },
  );
}

async function seed(session: Session, torrents: readonly Torrent[], options: GetOptions): Promise<void> {
  if (!goesOn(options)) return;
  const { 'seed-ratio': ratio, 'seed-time': timeMs, 'keep-seeding': forever } = options;
  const until = timeMs === undefined || forever ? Number.POSITIVE_INFINITY : performance.now() + timeMs;
  const goal = forever || ratio === undefined ? Number.POSITIVE_INFINITY : ratio;
  await session.until(
    () =>
      performance.now() >= until || torrents.every((torrent) => !isSeeding(torrent) || gave(torrent, goal)),
  );
}

const goesOn = (options: GetOptions): boolean =>
  options['keep-seeding'] || options['seed-ratio'] !== undefined || options['seed-time'] !== undefined;

/** Whether it sent so many times its size. There is nothing to send of a torrent without content. */
function gave({ transferred, wantedBytes }: Torrent, ratio: number): boolean {
  return ratio !== Number.POSITIVE_INFINITY && transferred.uploadedBytes >= ratio * wantedBytes;
}

function stoppedAt(torrents: readonly Torrent[]): string {
  if (torrents.some(({ phase }) => phase === 'checking')) {
    return 'stopped while checking what is on disk; run the same command to go on';
  }
  const snapshots = torrents.map((torrent) => torrent.snapshot());
  const have = snapshots.reduce((bytes, { haveBytes }) => bytes + haveBytes, 0);
  const wanted = snapshots.reduce((bytes, { wantedBytes }) => bytes + wantedBytes, 0);
  const share = formatShare(wanted === 0 ? 1 : have / wanted);
  return `stopped at ${share}, ${formatBytes(have)} of ${formatBytes(wanted)}; run the same command to go on`;
}

const isSeeding = ({ phase }: Torrent): boolean => phase === 'seeding';
const isSettled = ({ phase }: Torrent): boolean => phase === 'seeding' || phase === 'failed';

function parsePreallocate(given: string): 'sparse' | 'full' {
  if (given === 'sparse' || given === 'full') return given;
  throw new Error(`expected sparse or full, got "${given}"`);
}

function parseTimeout(given: string): number {
  const timeoutMs = parseDuration(given);
  if (timeoutMs > 0) return timeoutMs;
  throw new Error(`expected more than 0; without it swarm waits for ever, got "${given}"`);
}

function parseRatio(given: string): number {
  const ratio = Number(given);
  if (/^\d+(\.\d+)?$/.test(given) && ratio <= MAX_RATIO) return ratio;
  throw new Error(`expected a number such as 1 or 1.5, got "${given}"`);
}
