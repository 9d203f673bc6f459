/**
 * Peers are found without any tracker, between our engine, libtorrent and Transmission: over peer exchange alone,
 * where a third peer knows two that do not know each other, and over local discovery alone.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, type TestContext, test } from 'node:test';
import type { Engine, Torrent, TorrentEvent } from '../../engine/index.js';
import type { PeerAddress, PeerSourceName } from '../../engine/units.js';
import { type CleanUp, cleanUpOf } from '../support/cleanup.js';
import { type ClientName, requireClient, skip } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { Exchange } from '../support/exchange.js';
import { startLibtorrent } from '../support/libtorrent.js';
import { enterNamespaces, type Network, type NetworkSide } from '../support/namespaces.js';
import { until } from '../support/real-clients.js';
import { startEngine } from '../support/swarm-engine.js';
import { startTransmission } from '../support/transmission.js';

const PIECE_LENGTH = 64 * 1024;
const PIECES = 64;
/** Who stands between the other two: from it alone a download would take longer than the test may. */
const SLOW_BYTES_PER_SECOND = 16 * 1024;
/** Transmission tells of peers 90 s after a connection. */
const TIMEOUT_MS = 200_000;

const network = await enterNamespaces();

interface Stage extends Network {
  readonly scope: CleanUp;
  readonly made: Exchange;
  readonly file: string;
  readonly folder: string;
}

/** Sets a stage: content, its torrent without a tracker, and a folder for who downloads. */
async function stageOf(t: TestContext, ...needs: ClientName[]): Promise<Stage | undefined> {
  if (!requireClient(t, ...needs, 'ip netns')) return undefined;
  if (network === undefined) {
    skip(t, 'needs network namespaces, which only root can make');
    return undefined;
  }
  const scope = cleanUpOf(t);
  const made = await Exchange.create(scope, PIECE_LENGTH, {
    'content.bin': (path) => writeContent(path, PIECES * PIECE_LENGTH - 77, t.name),
  });
  const { file } = await made.torrentOf('content.bin');
  return { ...network, scope, made, file, folder: await made.receiver() };
}

const at = (side: NetworkSide, place: number): NetworkSide => ({ ...side, hosts: [side.hosts[place] ?? ''] });

const addressOf = (engine: Engine, side: NetworkSide): PeerAddress => ({
  host: side.hosts[0],
  port: engine.listen?.port ?? 0,
});

interface Watched {
  readonly engine: Engine;
  readonly torrent: Torrent;
  /** Resolves when it was told of peers from there. */
  foundFrom(source: PeerSourceName): Promise<void>;
}

/** Our engine with the stage's torrent. */
async function engineWith(
  { scope, file }: Stage,
  side: NetworkSide,
  folder: string,
  options: { readonly peers?: readonly PeerAddress[]; readonly slow?: boolean; readonly lsd?: boolean } = {},
): Promise<Watched> {
  const engine = await startEngine(scope, side, {
    ...(options.slow ? { downloadBytesPerSecond: SLOW_BYTES_PER_SECOND } : {}),
    lsd: options.lsd ?? false,
  });
  const torrent = engine.add(await readFile(file), { out: folder, peers: options.peers ?? [] });
  const sources = new Set<string>();
  torrent.onEvent((event: TorrentEvent) => {
    if (event.type === 'peers-found') sources.add(event.source);
  });
  const foundFrom = (source: PeerSourceName): Promise<void> =>
    until(`peers found over ${source}`, () => sources.has(source), TIMEOUT_MS);
  return { engine, torrent, foundFrom };
}

describe('peer exchange alone', { concurrency: 4 }, () => {
  test('libtorrent finds a seed that only we know', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const seed = await startLibtorrent(scope, at(far, 0), {
      torrents: [{ file, folder: made.source, seed: true }],
    });
    const hub = await engineWith(stage, near, await made.receiver('hub'), {
      peers: [seed.address],
      slow: true,
    });
    const found = await startLibtorrent(scope, at(far, 1), { torrents: [{ file, folder }] });
    found.dial(addressOf(hub.engine, near));
    await found.client.printed(/"event": "finished"/, TIMEOUT_MS);
    await assertSameContent(folder, made.source);
  });

  test('we find a seed that only libtorrent knows', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const seed = await engineWith(stage, near, made.source);
    await seed.torrent.completed;
    const hub = await startLibtorrent(scope, at(far, 2), {
      torrents: [{ file, folder: await made.receiver('hub'), downloadBytesPerSecond: SLOW_BYTES_PER_SECOND }],
    });
    hub.dial(addressOf(seed.engine, near));
    const finder = await engineWith(stage, near, folder, { peers: [hub.address] });
    await finder.foundFrom('pex');
    await finder.torrent.completed;
    await assertSameContent(folder, made.source);
  });

  test('Transmission finds a seed that only we know', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent', 'transmission-daemon');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const seed = await startLibtorrent(scope, at(far, 3), {
      torrents: [{ file, folder: made.source, seed: true }],
    });
    const { daemon: finder } = await startTransmission(scope, at(far, 4), { 'pex-enabled': true });
    await finder.add({ torrents: [file], folder }, false);
    await engineWith(stage, near, await made.receiver('hub'), {
      peers: [seed.address, finder.address],
      slow: true,
    });
    await until('Transmission is complete', () => finder.isComplete(), TIMEOUT_MS);
    await assertSameContent(folder, made.source);
  });

  test('we find a seed that only Transmission knows', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent', 'transmission-daemon');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const { daemon: hub } = await startTransmission(scope, at(far, 5), {
      'pex-enabled': true,
      'speed-limit-down': SLOW_BYTES_PER_SECOND / 1024,
      'speed-limit-down-enabled': true,
    });
    await hub.add({ torrents: [file], folder: await made.receiver('hub') }, false);
    const seed = await startLibtorrent(scope, at(far, 6), {
      torrents: [{ file, folder: made.source, seed: true }],
    });
    seed.dial(hub.address);
    const finder = await engineWith(stage, near, folder, { peers: [hub.address] });
    await finder.foundFrom('pex');
    await finder.torrent.completed;
    await assertSameContent(folder, made.source);
  });
});

describe('local discovery alone', { concurrency: 4 }, () => {
  const LIBTORRENT = { enable_lsd: true };
  const TRANSMISSION = { 'lpd-enabled': true };

  test('we find libtorrent, which seeds', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const finder = await engineWith(stage, near, folder, { lsd: true });
    await startLibtorrent(scope, at(far, 0), {
      torrents: [{ file, folder: made.source, seed: true }],
      settings: LIBTORRENT,
    });
    await finder.foundFrom('lsd');
    await finder.torrent.completed;
    await assertSameContent(folder, made.source);
  });

  test('libtorrent finds us, who seed', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const finder = await startLibtorrent(scope, at(far, 1), {
      torrents: [{ file, folder }],
      settings: LIBTORRENT,
    });
    const seed = await engineWith(stage, near, made.source, { lsd: true });
    await seed.torrent.completed;
    await finder.client.printed(/"event": "finished"/, TIMEOUT_MS);
    await assertSameContent(folder, made.source);
  });

  test('we find Transmission, which seeds', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'transmission-daemon');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const finder = await engineWith(stage, near, folder, { lsd: true });
    const { daemon: seed } = await startTransmission(scope, at(far, 0), TRANSMISSION);
    await seed.add({ torrents: [file], folder: made.source }, true);
    await seed.verify();
    await seed.start();
    await finder.foundFrom('lsd');
    await finder.torrent.completed;
    await assertSameContent(folder, made.source);
  });

  test('Transmission finds us, who seed', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'transmission-daemon');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const { daemon: finder } = await startTransmission(scope, at(far, 0), TRANSMISSION);
    await finder.add({ torrents: [file], folder }, false);
    const seed = await engineWith(stage, near, made.source, { lsd: true });
    await seed.torrent.completed;
    await until('Transmission is complete', () => finder.isComplete(), TIMEOUT_MS);
    await assertSameContent(folder, made.source);
  });

  test('we and libtorrent find each other over IPv6', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t, 'libtorrent');
    if (stage === undefined) return;
    const { scope, made, file, folder, near, far } = stage;
    const [six, farSix] = [near, far].map((side): NetworkSide => ({ ...side, hosts: [side.host6 ?? ''] }));
    assert.ok(six && farSix);
    const finder = await engineWith(stage, six, folder, { lsd: true });
    await startLibtorrent(scope, farSix, {
      torrents: [{ file, folder: made.source, seed: true }],
      settings: LIBTORRENT,
    });
    await finder.foundFrom('lsd');
    await finder.torrent.completed;
    const other = await startLibtorrent(scope, farSix, {
      torrents: [{ file, folder: await made.receiver('other') }],
      settings: LIBTORRENT,
    });
    await other.client.printed(/"event": "finished"/, TIMEOUT_MS);
    await assertSameContent(folder, made.source);
  });

  test('two of us find each other, everywhere', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await stageOf(t);
    if (stage === undefined) return;
    const { made, folder, near } = stage;
    const everywhere: NetworkSide = { ...near, hosts: ['::'] };
    const seed = await engineWith(stage, everywhere, made.source, { lsd: true });
    await seed.torrent.completed;
    const finder = await engineWith(stage, everywhere, folder, { lsd: true });
    await finder.torrent.completed;
    await assertSameContent(folder, made.source);
  });
});
