/** `swarm get`: downloads torrents, verifies every piece, and exits or goes on seeding. */
import {
  type EngineSnapshot,
  type Magnet,
  type Metainfo,
  type PeerAddress,
  printable,
  SwarmError,
  type Torrent,
} from '../engine/index.js';
import { formatBytes, formatDuration, formatShare } from '../tui/format.js';
import { defineCommand, flag, text, value } from './command.js';
import { Download, toError } from './download.js';
import { EXIT } from './exit-codes.js';
import { IdleWatch } from './idle-watch.js';
import { Interrupted } from './interrupts.js';
import { waitsFor } from './live-lines.js';
import { bindOptions, engineOptions, NETWORK_OPTIONS, resolvePeers } from './network-options.js';
import type { Output } from './output.js';
import { type Session, summaryOf, withSession } from './session.js';
import { readSources } from './sources.js';
import { tellComplete, tellEvents, tellFault, tellFetch, tellSeeded, tellStart } from './tell.js';
import { parseDuration } from './units-text.js';
import { wantsDashboard } from './view.js';

const MAX_SOURCES = 1_000;
const MAX_RATIO = 1_000_000;
const MAX_NAME_CELLS = 100;
/** Searching for less is not worth a word. */
const SILENT_MS = 300;
const MAGNET_WAITS = 'a link has no list of files, peers have to send it';

export const command = defineCommand({
  name: 'get',
  about:
    'Downloads what each SOURCE names, verifies every piece, and exits. A SOURCE is a torrent file, its http(s) URL, a ' +
    'magnet link or a bare info-hash. Started again, it goes on where it stopped. Ctrl-C says goodbye and leaves; a second one leaves at once. The time that --timeout allows begins ' +
    'after the check of what is on disk. With --preallocate full a lack of space shows before the download.',
  positionals: { placeholder: 'SOURCE', min: 1, max: MAX_SOURCES },
  options: {
    out: value('DIR', 'download into this folder (default: here)', text, 'o'),
    files: value('LIST|GLOB', 'only these: 0,2-5 as in swarm info, or "*.mkv"', text),
    sequential: flag('fetch pieces in order'),
    preallocate: value('sparse|full', 'full writes zeros first (default: sparse)', parsePreallocate),
    timeout: value('DURATION', 'exit 4 when nothing arrives for so long', parseTimeout),
    'seed-ratio': value('R', 'go on seeding until R times the size is sent', parseRatio),
    'seed-time': value('DURATION', 'go on seeding for so long (0s: not at all)', parseDuration),
    'keep-seeding': flag('go on seeding until interrupted'),
    ...NETWORK_OPTIONS,
  },
  examples: [
    ['get debian.torrent', 'into the current folder'],
    ['get "magnet:?xt=urn:btih:…"', 'from whoever has it; quotes keep the shell from reading it'],
    ['get album.torrent --out ~/music --files "*.flac"', 'some files only'],
    ['get film.torrent --down 2M --up 200K --seed-ratio 1', 'limited, giving back as much'],
    ['get data.torrent --peer 10.0.0.7:6881 --timeout 60s', 'from a peer that you know, or exit code 4'],
    ['get data.torrent --json | jq -r "select(.type == \\"progress\\").peers"', 'in a script'],
    ['get a.torrent b.torrent --tui', 'with the dashboard'],
  ],

  async run({ positionals, options }, output) {
    const dashboard = wantsDashboard(options, output);
    const sources = await readSources(positionals, output, bindOptions(options));
    const choices = await Promise.all(sources.torrents.map((metainfo) => choose(options.files, metainfo)));
    const peers = await resolvePeers(options.peer, bindOptions(options));
    return withSession({ engine: engineOptions(options), dashboard }, output, async (session) => {
      const adding = { peers, several: positionals.length > 1, ...options };
      const downloads = [
        ...sources.torrents.map((metainfo, i) =>
          Download.of(add(session, metainfo, choices[i], adding, output)),
        ),
        ...sources.magnets.map((magnet) => fetchMagnet(session, magnet, adding, output)),
      ];
      await download(session, downloads, options, output);
      const failed = sources.fault ?? downloads.find(({ error }) => error !== null)?.error;
      if (failed) throw failed;
      return EXIT.done;
    });
  },
});

/** Loads globs, which cost a twentieth of the start, only for who chooses. @returns undefined: all files */
async function choose(
  choice: string | undefined,
  { files }: Metainfo,
  ofLink: Magnet['files'] = null,
): Promise<boolean[] | undefined> {
  if (choice === undefined && ofLink === null) return undefined;
  const { chooseFiles, chosenByLink } = await import('./choose-files.js');
  return choice === undefined ? chosenByLink(ofLink ?? [], files) : chooseFiles(choice, files);
}

interface GetOptions {
  readonly files: string | undefined;
  readonly out: string | undefined;
  readonly sequential: boolean;
  readonly preallocate: 'sparse' | 'full' | undefined;
  readonly tracker: readonly string[];
  readonly timeout: number | undefined;
  readonly 'seed-ratio': number | undefined;
  readonly 'seed-time': number | undefined;
  readonly 'keep-seeding': boolean;
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

/** Goes on as `add` once peers have sent what the link names. */
function fetchMagnet(session: Session, magnet: Magnet, options: AddOptions, output: Output): Download {
  const { infoHash, name } = magnet;
  const { tracker, peers, several } = options;
  const fetch = session.engine.fetchMetadata(
    { ...magnet, trackers: [...tracker, ...magnet.trackers] },
    { peers },
  );
  output.event({ type: 'searching', infoHash, name });
  // What was fetched before is here at once.
  const said = setTimeout(() => {
    const what = printable(name ?? infoHash, MAX_NAME_CELLS);
    output.note(`${output.paint('bold', 'searching')} ${what}: ${MAGNET_WAITS}`);
  }, SILENT_MS);
  // Also of what it hears until the torrent goes on in its place.
  tellFetch(fetch, output);
  const adding = fetch.metainfo
    .finally(() => clearTimeout(said))
    .then(async (metainfo) => {
      const wanted = await choose(options.files, metainfo, magnet.files);
      return add(session, metainfo, wanted, options, output);
    });
  const download = new Download(fetch, adding);
  adding.catch((thrown: unknown) => {
    const error = toError(thrown);
    const isOurEnd = error instanceof SwarmError && error.code === 'CLOSED';
    if (several && !isOurEnd) tellFault(name ?? infoHash, error, output);
    void fetch.stop();
  });
  return download;
}

/** Until all is there, and seeded as long as was asked for. Those that failed are left to the caller. */
async function download(
  session: Session,
  downloads: readonly Download[],
  options: GetOptions,
  output: Output,
): Promise<void> {
  const startedAt = performance.now();
  try {
    await complete(session, downloads, options.timeout);
    if (goesOn(options)) await seed(session, downloads, options);
    else await part(session, downloads, output);
  } catch (thrown) {
    if (!(thrown instanceof Interrupted)) throw thrown;
    // Leaving while everything is there is an end like any other.
    if (!downloads.every(isSeeding)) throw new Interrupted(stoppedAt(downloads));
  } finally {
    for (const { torrent } of downloads) {
      if (torrent === undefined) continue;
      const summary = summaryOf(torrent, startedAt);
      output.event(summary);
      if (goesOn(options) && torrent.phase === 'seeding') tellSeeded(summary, output);
    }
  }
}

/** Until each is complete or failed. @throws SwarmError PEERS_NONE or STORAGE_FAILED when nothing moved for `timeoutMs` */
async function complete(
  session: Session,
  downloads: readonly Download[],
  timeoutMs: number | undefined,
): Promise<void> {
  if (timeoutMs === undefined) {
    await session.unlessLeft(Promise.allSettled(downloads.map(({ completed }) => completed)));
    return;
  }
  const watch = new IdleWatch(timeoutMs, performance.now());
  let idle: ReturnType<IdleWatch['observe']>;
  await session.until(() => {
    idle = watch.observe(
      performance.now(),
      downloads.map((each) => each.watched),
    );
    return idle !== undefined || downloads.every(isSettled);
  });
  if (downloads.every(isSettled)) return;
  const fault = downloads.find(({ error }) => error !== null)?.error;
  throw fault ?? (idle === 'disk' ? nothingChecked(timeoutMs) : nothingArrived(session, timeoutMs));
}

function nothingChecked(timeoutMs: number): SwarmError {
  return new SwarmError(
    'STORAGE_FAILED',
    'the check of what is on disk does not go on: the disk does not answer',
    { timeoutMs },
    { hint: 'A network disk may have gone; without --timeout swarm waits for it.' },
  );
}

const UDP_HINT = 'The DHT goes by UDP, which some networks block: swarm doctor tells.';
const PEERS_HINT = '--peer HOST:PORT adds a peer, --tracker URL a tracker; --tui shows what they say.';

function nothingArrived({ engine }: Session, timeoutMs: number): SwarmError {
  const snapshot = engine.snapshot();
  const why = snapshot.torrents.map((torrent) => waitsFor(torrent, snapshot)).find(Boolean);
  return new SwarmError(
    'PEERS_NONE',
    `nothing arrived for ${formatDuration(timeoutMs / 1000)}${why === undefined ? '' : `: ${why}`}`,
    { timeoutMs },
    hintFor(why, snapshot),
  );
}

/** A reason that names the way out needs none. */
function hintFor(why: string | undefined, { dht }: EngineSnapshot): { readonly hint?: string } {
  if (dht?.state === 'offline') return { hint: UDP_HINT };
  return why?.includes('--peer') === true ? {} : { hint: PEERS_HINT };
}

/** Leaves, unless others would be stranded. */
async function part(session: Session, downloads: readonly Download[], output: Output): Promise<void> {
  if (!downloads.some(isNeeded)) return;
  output.note('the others lack a piece that hardly anybody has: passing it on first');
  output.note('This takes 30 s at most; Ctrl-C leaves at once.');
  await session.until(() => !downloads.some(isNeeded));
}

async function seed(session: Session, downloads: readonly Download[], options: GetOptions): Promise<void> {
  const { 'seed-ratio': ratio, 'seed-time': timeMs, 'keep-seeding': forever } = options;
  const until = timeMs === undefined || forever ? Number.POSITIVE_INFINITY : performance.now() + timeMs;
  const goal = forever || ratio === undefined ? Number.POSITIVE_INFINITY : ratio;
  await session.until(
    () =>
      performance.now() >= until ||
      downloads.every(({ torrent }) => torrent?.phase !== 'seeding' || gave(torrent, goal)),
  );
}

const goesOn = (options: GetOptions): boolean =>
  options['keep-seeding'] || options['seed-ratio'] !== undefined || options['seed-time'] !== undefined;

/** Whether it sent so many times its size. There is nothing to send of a torrent without content. */
function gave({ transferred, wantedBytes }: Torrent, ratio: number): boolean {
  return ratio !== Number.POSITIVE_INFINITY && transferred.uploadedBytes >= ratio * wantedBytes;
}

function stoppedAt(downloads: readonly Download[]): string {
  const torrents = downloads.flatMap(({ torrent }) => torrent ?? []);
  if (torrents.length === 0)
    return 'stopped before any peer told what the link names; run the same command to go on';
  if (torrents.some(({ phase }) => phase === 'checking')) {
    return 'stopped while checking what is on disk; run the same command to go on';
  }
  const snapshots = torrents.map((torrent) => torrent.snapshot());
  const have = snapshots.reduce((bytes, { haveBytes }) => bytes + haveBytes, 0);
  const wanted = snapshots.reduce((bytes, { wantedBytes }) => bytes + wantedBytes, 0);
  const share = formatShare(wanted === 0 ? 1 : have / wanted);
  return `stopped at ${share}, ${formatBytes(have)} of ${formatBytes(wanted)}; run the same command to go on`;
}

const isSeeding = ({ torrent }: Download): boolean => torrent?.phase === 'seeding';
const isNeeded = ({ torrent }: Download): boolean => torrent?.isNeeded === true;
const isSettled = (download: Download): boolean => isSeeding(download) || download.error !== null;

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
