/** `swarm seed`: makes the torrents of files or folders, announces and serves them. */
import { basename, dirname, resolve } from 'node:path';
import { type Metainfo, type PeerAddress, printable, SwarmError, type Torrent } from '../engine/index.js';
import { createTorrent, describeTorrent, readTorrentFile } from '../engine/torrent-files.js';
import { formatBytes } from '../tui/format.js';
import { defineCommand, flag, text, UsageError, value } from './command.js';
import { EXIT } from './exit-codes.js';
import { hashingProgress } from './hashing-progress.js';
import { Interrupted, withInterrupts } from './interrupts.js';
import { bindOptions, engineOptions, NETWORK_OPTIONS, resolvePeers } from './network-options.js';
import type { Output } from './output.js';
import { hasContent, replaceFile } from './replace-file.js';
import { type Session, summaryOf, withSession } from './session.js';
import { tellEvents, tellFault, tellSeeded } from './tell.js';
import { parsePieceLength } from './units-text.js';
import { wantsDashboard } from './view.js';
import { plural } from './words.js';

const MAX_PATHS = 1_000;

export const command = defineCommand({
  name: 'seed',
  about:
    'Makes the torrent of each file or folder, announces it and serves it until interrupted. Nothing on disk is ' +
    'changed. With --torrent the path is served as that existing torrent, after a check.',
  positionals: { placeholder: 'PATH', min: 1, max: MAX_PATHS },
  options: {
    torrent: value('FILE', 'serve PATH as this torrent', text),
    'save-torrent': value('FILE', 'write the torrent there, to be given to others', text),
    force: flag('overwrite FILE if it is another torrent', 'f'),
    private: flag('peers only from the trackers (BEP 27)'),
    'piece-length': value('SIZE', 'a power of two, 16K to 128M (default: by size)', parsePieceLength),
    'super-seed': value('auto|on|off', 'show pieces one by one until others have all (auto)', parseSuperSeed),
    ...NETWORK_OPTIONS,
  },
  examples: [
    ['seed film.mkv --tracker http://t.example/announce', 'make its torrent, announce it, serve it'],
    ['seed film.mkv --save-torrent film.torrent', 'and keep the torrent, to be given to others'],
    ['seed photos/ --listen 6881 --up 2M', 'a folder, on a fixed port, at 2 MiB/s at most'],
    ['seed film.mkv --torrent film.torrent', 'as an existing torrent, with its trackers'],
    ['seed a.iso b.iso --tracker udp://t.example:6969 --tui', 'several, with the dashboard'],
  ],

  async run({ positionals: paths, options }, output) {
    const single = options.torrent ?? options['save-torrent'];
    if (single !== undefined && paths.length > 1) {
      throw new UsageError('--torrent and --save-torrent go with one PATH');
    }
    if (options.torrent !== undefined && options['save-torrent'] !== undefined) {
      throw new UsageError('--save-torrent goes with a torrent that is made, not with --torrent');
    }
    const dashboard = wantsDashboard(options, output);
    const peers = await resolvePeers(options.peer, bindOptions(options));
    const served = await withInterrupts((signal) => makeAll(paths, options, output, signal));
    return withSession(
      { engine: engineOptions(options), dashboard, isServing: true },
      output,
      async (session) => {
        const startedAt = performance.now();
        const torrents = served.map((one) =>
          add(session, one, { ...options, peers, several: served.length > 1 }, output),
        );
        try {
          for (const torrent of torrents) {
            await assertComplete(torrent, session);
            tellSeeding(torrent, session, options.tracker, output);
          }
          await session.until(() => torrents.every(({ phase }) => phase === 'failed'));
        } catch (thrown) {
          // Being interrupted is how seeding ends.
          if (!(thrown instanceof Interrupted)) throw thrown;
        } finally {
          for (const torrent of torrents) {
            const summary = summaryOf(torrent, startedAt);
            output.event(summary);
            if (torrent.phase === 'seeding') tellSeeded(summary, output);
          }
        }
        const failed = torrents.find(({ error }) => error !== null)?.error;
        if (failed) throw failed;
        return EXIT.done;
      },
    );
  },
});

interface SeedOptions {
  readonly torrent: string | undefined;
  readonly 'save-torrent': string | undefined;
  readonly force: boolean;
  readonly private: boolean;
  readonly 'piece-length': number | undefined;
  readonly tracker: readonly string[];
  readonly 'super-seed': 'auto' | 'on' | 'off' | undefined;
}

interface Served {
  readonly metainfo: Metainfo;
  /** The folder that holds the torrent's file or folder. */
  readonly root: string;
}

async function makeAll(
  paths: readonly string[],
  options: SeedOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Served[]> {
  const served: Served[] = [];
  for (const path of paths) {
    const root = dirname(resolve(path));
    if (options.torrent === undefined) {
      served.push({ metainfo: await make(path, options, output, signal), root });
      continue;
    }
    const { metainfo } = await readTorrentFile(options.torrent);
    assertNamed(metainfo, path);
    served.push({ metainfo, root });
  }
  return served;
}

async function make(
  path: string,
  options: SeedOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Metainfo> {
  const { tracker, 'piece-length': pieceLength, 'save-torrent': file, force } = options;
  const { bytes, metainfo } = await createTorrent(path, {
    trackers: tracker.map((url) => [url]),
    ...(pieceLength === undefined ? {} : { pieceLength }),
    ...(options.private ? { private: true } : {}),
    signal,
    onProgress: hashingProgress(output),
  });
  if (file === undefined) return metainfo;
  // The same command again makes the same torrent.
  if (await hasContent(file, bytes)) return metainfo;
  await replaceFile(file, bytes, force);
  output.note(`wrote ${printable(file)}`);
  return metainfo;
}

/** A torrent's file or folder is found by its name. */
function assertNamed(metainfo: Metainfo, path: string): void {
  const given = basename(resolve(path));
  const [expected] = metainfo.files[0]?.diskPath.split('/') ?? [];
  if (expected === undefined || expected === given) return;
  throw new SwarmError(
    'INPUT_INVALID',
    `the torrent is called "${printable(expected)}", PATH is "${printable(given)}"`,
    { expected, given },
    { hint: 'Rename it, or make a torrent of its own with swarm create.' },
  );
}

interface AddOptions extends Pick<SeedOptions, 'torrent' | 'tracker' | 'super-seed'> {
  readonly peers: readonly PeerAddress[];
  readonly several: boolean;
}

function add(
  { engine }: Session,
  { metainfo, root }: Served,
  { torrent: existing, tracker, 'super-seed': superSeed = 'auto', peers, several }: AddOptions,
  output: Output,
): Torrent {
  const torrent = engine.add(metainfo, {
    out: root,
    readOnly: true,
    superSeed,
    assumeComplete: existing === undefined,
    // A torrent that we made names them already.
    trackers: existing === undefined ? [] : tracker,
    peers,
  });
  tellEvents(torrent, output);
  torrent.onEvent(({ type }) => {
    if (type === 'error' && torrent.error !== null && several)
      tellFault(metainfo.name, torrent.error, output);
  });
  return torrent;
}

/** Waits for the check of what is on disk. @throws SwarmError VERIFY_MISMATCH unless all of it is there */
async function assertComplete(torrent: Torrent, { until }: Session): Promise<void> {
  await until(() => torrent.phase !== 'checking');
  if (torrent.error !== null) throw torrent.error;
  const { name, haveBytes, wantedBytes } = torrent.snapshot();
  if (haveBytes === wantedBytes) return;
  throw new SwarmError(
    'VERIFY_MISMATCH',
    `${formatBytes(wantedBytes - haveBytes)} of ${printable(name)} are missing or differ from the torrent`,
    { haveBytes, wantedBytes },
    { hint: 'swarm verify names them, swarm get fetches them.' },
  );
}

const NOBODY_FINDS_IT =
  'no tracker, and nobody can connect: this seed reaches only whom --peer names; add --tracker';

function tellSeeding(
  { metainfo }: Torrent,
  { engine }: Session,
  moreTrackers: readonly string[],
  output: Output,
): void {
  const { infoHash, name, totalBytes, pieceCount } = metainfo;
  const { magnet, trackers } = describeTorrent(metainfo);
  const port = engine.listen?.port ?? null;
  output.event({ type: 'seeding', infoHash, name, magnet, totalBytes, port });
  output.note(
    `${output.paint('green', 'seeding')} ${printable(name)}, ${formatBytes(totalBytes)} in ${plural(pieceCount, 'piece')}`,
  );
  output.note(`  info-hash  ${infoHash}`);
  // Of a private torrent nobody gives what a link names.
  if (!metainfo.private) output.note(`  link       ${printable(magnet, magnet.length)}`);
  output.note(`  port       ${port ?? 'not listening'}`);
  if (trackers.length === 0 && moreTrackers.length === 0) {
    const byDht = engine.snapshot().dht !== null && !metainfo.private;
    const how = byDht ? `by its link, in the DHT, or by --peer HOST:${port}` : `by --peer HOST:${port} only`;
    const found = port === null ? NOBODY_FINDS_IT : `no tracker: others find this seed ${how}`;
    output.note(`  ${output.paint(byDht && port !== null ? 'dim' : 'yellow', found)}`);
  }
}

function parseSuperSeed(given: string): 'auto' | 'on' | 'off' {
  if (given === 'auto' || given === 'on' || given === 'off') return given;
  throw new Error(`expected auto, on or off, got "${given}"`);
}
