/** Line run: one client behind an asymmetric line, seeds and leechers beyond it that have all the speed they need. */
import { copyFile, mkdir, open, readFile, truncate, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { createTorrent } from '../../engine/metainfo/create.js';
import type { PeerAddress } from '../../engine/units.js';
import { CleanUp, temporaryFolder } from '../../test/support/cleanup.js';
import { type ClientName, startClient } from '../../test/support/clients.js';
import { writeContent } from '../../test/support/content.js';
import { startLibtorrent } from '../../test/support/libtorrent.js';
import { until } from '../../test/support/real-clients.js';
import { swarmCommandLine } from '../../test/support/swarm-command.js';
import { startEngine } from '../../test/support/swarm-engine.js';
import { machineCpuSeconds } from '../measure.js';
import type { AsymmetricLab, AsymmetricLine } from './lab.js';
import { type Figures, Readings } from './readings.js';

export const SEEDS = 2;
/** They have what the client lacks and lack what it has: each gives and takes. */
export const LEECHERS = 4;
const PIECE_BYTES = 256 * 1024;
const NAME = 'content.bin';

/** The content of a line's runs: the client and the leechers begin with a half each. */
export interface Content {
  readonly path: string;
  readonly torrent: string;
  readonly bytes: number;
}

interface Place {
  readonly scope: CleanUp;
  readonly lab: AsymmetricLab;
  readonly torrent: string;
  readonly folder: string;
  readonly peers: readonly PeerAddress[];
}

export interface ClientKind {
  readonly name: string;
  readonly needs: readonly ClientName[];
  start(place: Place): Promise<void>;
}

export const swarm: ClientKind = {
  name: 'swarm',
  needs: [],
  async start({ scope, lab, torrent, folder, peers }) {
    const [command = '', ...rest] = swarmCommandLine(lab.client);
    const flags = ['--out', folder, '--listen', `${lab.client.hosts[0]}:0`, '--json', '--quiet'];
    const dial = peers.flatMap(({ host, port }) => ['--peer', `${host}:${port}`]);
    const env = { ...process.env, XDG_STATE_HOME: join(dirname(folder), 'state') };
    startClient(scope, command, [...rest, 'get', torrent, '--keep-seeding', ...flags, ...dial], { env });
  },
};

export const libtorrent: ClientKind = {
  name: 'libtorrent',
  needs: ['libtorrent'],
  async start({ scope, lab, torrent, folder, peers }) {
    const dial = peers.map(({ host, port }) => [host, port] as const);
    await startLibtorrent(scope, lab.client, { torrents: [{ file: torrent, folder, peers: dial }] });
  },
};

export interface LineRun extends Figures {
  /** Share of the machine's cores in use, by anybody. */
  readonly cpuShare: number;
}

/** @param folder gone with the lab */
export async function writeHalves(folder: string, bytes: number): Promise<Content> {
  const path = join(folder, NAME);
  await writeContent(path, bytes, 'asymmetric');
  const { bytes: file } = await createTorrent(path, { pieceLength: PIECE_BYTES });
  const torrent = join(folder, 'content.torrent');
  await writeFile(torrent, file);
  return { path, torrent, bytes };
}

/**
 * @param uploads false: everybody has everything, and nothing is asked of the client
 * @param warmUpMs after the client's first connection; what it does then is not counted
 */
export async function runLine(
  lab: AsymmetricLab,
  line: AsymmetricLine,
  kind: ClientKind,
  content: Content,
  uploads: boolean,
  warmUpMs: number,
  measureMs: number,
  tell: (text: string) => void,
): Promise<LineRun> {
  const scope = new CleanUp();
  try {
    const parent = await temporaryFolder(scope, lab.folder);
    const peers: PeerAddress[] = [];
    for (let index = 0; index < SEEDS + LEECHERS; index++) {
      const isLeecher = uploads && index >= SEEDS;
      peers.push(
        await startPeer(scope, lab.worldHost(index), join(parent, String(index)), content, isLeecher),
      );
    }
    const folder = join(parent, 'client');
    await writeHalf(content, folder, 0);
    const readings = new Readings(lab, line.upBitsPerSecond / 8);
    scope.after(() => readings.stop());
    await kind.start({ scope, lab, torrent: content.torrent, folder, peers });
    await until('the client connects', async () => (await lab.sockets()).length > SEEDS);
    const telling = setInterval(() => tell(readings.latest), 1_000);
    scope.after(() => clearInterval(telling));
    await sleep(warmUpMs);
    const cpuBefore = machineCpuSeconds();
    await sleep(measureMs);
    const cpuShare = (machineCpuSeconds() - cpuBefore) / (measureMs / 1000) / availableParallelism();
    await readings.stop();
    return { ...readings.figures(measureMs), cpuShare };
  } finally {
    await scope.run();
  }
}

/** Resolves when it has checked what it has. */
async function startPeer(
  scope: CleanUp,
  host: string,
  folder: string,
  { path, torrent, bytes }: Content,
  isLeecher: boolean,
): Promise<PeerAddress> {
  // Told of the seeds by the client, the leechers would take everything from them.
  const engine = await startEngine(scope, { hosts: [host], prefix: [] }, { pex: false });
  const file = await readFile(torrent);
  if (isLeecher) {
    await writeHalf({ path, torrent, bytes }, folder, bytes / 2);
    const leecher = engine.add(file, { out: folder });
    await until('a leecher has checked its half', () => leecher.snapshot().phase === 'downloading');
  } else {
    engine.add(file, { out: dirname(path), readOnly: true, assumeComplete: true, superSeed: 'off' });
  }
  return { host, port: engine.listen?.port ?? 0 };
}

/** The content with one half of it, from `begin`, and nothing elsewhere. */
async function writeHalf({ path, bytes }: Content, folder: string, begin: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const to = join(folder, NAME);
  await copyFile(path, to);
  if (begin === 0) {
    await truncate(to, bytes / 2);
    await truncate(to, bytes);
    return;
  }
  const hole = Buffer.alloc(1024 * 1024);
  const file = await open(to, 'r+');
  for (let at = 0; at < begin; at += hole.length) {
    await file.write(hole, 0, Math.min(hole.length, begin - at), at);
  }
  await file.close();
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
