/** Magnets, between real engines on loopback. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Engine, type EngineOptions, type Metainfo, type TorrentEvent } from '../../engine/index.js';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { createTorrent } from '../../engine/metainfo/create.js';
import { makeFolder } from '../../fixtures/folder.js';
import { startTracker } from '../../tracker/index.js';

const HOST = '127.0.0.1';

/** Engines and a folder that go with the test; a seed of a folder of small files. */
class Lab {
  readonly #t: TestContext;
  readonly #engines: Engine[] = [];

  private constructor(
    t: TestContext,
    readonly folder: string,
  ) {
    this.#t = t;
  }

  static async create(t: TestContext): Promise<Lab> {
    const lab = new Lab(t, await mkdtemp(join(tmpdir(), 'swarm-magnets-')));
    t.after(async () => {
      await Promise.all(lab.#engines.map((engine) => engine.close()));
      await rm(lab.folder, { recursive: true, force: true });
    });
    return lab;
  }

  async engine(name: string, options: EngineOptions = {}): Promise<Engine> {
    const stateDir = join(this.folder, 'state', name);
    const engine = await Engine.create({ listenHost: HOST, stateDir, ...options });
    this.#engines.push(engine);
    return engine;
  }

  /** Its metadata has several pieces of 16 KiB. */
  async seed(
    more: { private?: boolean; trackers?: string[][] } = {},
  ): Promise<{ seed: Engine; metainfo: Metainfo }> {
    const source = join(this.folder, 'source');
    await mkdir(source, { recursive: true });
    const folder = await makeFolder(join(source), 'folder', 40_000_000);
    const { metainfo } = await createTorrent(folder, { pieceLength: 16_384, ...more });
    assert.ok(metainfo.rawInfo.length > 3 * 16_384);
    const seed = await this.engine('seed');
    await seed.add(metainfo, { out: source, readOnly: true, assumeComplete: true }).completed;
    return { seed, metainfo };
  }

  /** @returns its announce URL */
  async tracker(): Promise<string> {
    const tracker = await startTracker({ http: { host: HOST, port: 0 } });
    this.#t.after(() => tracker.close());
    return `http://${HOST}:${tracker.http!.port}/announce`;
  }
}

const peerOf = (engine: Engine) => ({ host: HOST, port: engine.listen!.port });
const linkOf = ({ infoHash }: Metainfo): string => `magnet:?xt=urn:btih:${infoHash}`;

async function assertSame(metainfo: Metainfo, a: string, b: string): Promise<void> {
  const hash = async (file: string) =>
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  for (const { diskPath } of metainfo.files)
    assert.equal(await hash(join(a, diskPath)), await hash(join(b, diskPath)));
}

test('a magnet becomes its torrent, over one connection a peer, and the torrent is the one that was seeded', async (t) => {
  const lab = await Lab.create(t);
  const { seed, metainfo } = await lab.seed();
  const engine = await lab.engine('leech');
  const fetch = engine.fetchMetadata(linkOf(metainfo), { peers: [peerOf(seed)] });
  const events: TorrentEvent['type'][] = [];
  fetch.onEvent(({ type }) => events.push(type));
  const [shown] = engine.snapshot().torrents;
  assert.deepEqual([shown?.phase, shown?.name], ['metadata', metainfo.infoHash]);
  const got = await fetch.metainfo;
  assert.deepEqual(got.rawInfo, metainfo.rawInfo);
  assert.deepEqual(events, ['peer-connected', 'metadata']);

  const out = join(lab.folder, 'leech');
  await mkdir(out);
  const torrent = engine.add(got, { out });
  const closed: TorrentEvent[] = [];
  torrent.onEvent((event) => {
    if (event.type === 'peer-disconnected' && event.reason.text !== 'both have everything')
      closed.push(event);
  });
  await torrent.completed;
  await assertSame(metainfo, join(lab.folder, 'source'), out);
  assert.equal(engine.snapshot().torrents.length, 1);
  assert.deepEqual(closed, []);
});

test('what a link named once needs no peer again, and a kept file that was tampered with is fetched anew', async (t) => {
  const lab = await Lab.create(t);
  const { seed, metainfo } = await lab.seed();
  const first = await lab.engine('leech');
  await first.fetchMetadata(linkOf(metainfo), { peers: [peerOf(seed)] }).metainfo;
  await first.close();
  const second = await lab.engine('leech');
  const kept = await second.fetchMetadata(linkOf(metainfo)).metainfo;
  assert.deepEqual(kept.rawInfo, metainfo.rawInfo);
  await second.close();

  await writeFile(join(lab.folder, 'state', 'leech', `${metainfo.infoHash}.info`), 'd4:name4:evile');
  const third = await lab.engine('leech');
  const fetch = third.fetchMetadata(linkOf(metainfo), { peers: [peerOf(seed)] });
  assert.deepEqual((await fetch.metainfo).rawInfo, metainfo.rawInfo);
});

test('a peer that was being dialled when the metadata was there is dialled again at once', async (t) => {
  const lab = await Lab.create(t);
  const { metainfo } = await lab.seed();
  const dialled: Socket[] = [];
  let onSecond = () => {};
  const second = new Promise<void>((resolve) => {
    onSecond = resolve;
  });
  // Takes connections and says nothing.
  const silent = createServer((socket) => {
    socket.on('error', () => {});
    if (dialled.push(socket) === 2) onSecond();
  }).listen(0, HOST);
  t.after(() => {
    for (const socket of dialled) socket.destroy();
    silent.close();
  });
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const state = join(lab.folder, 'state', 'leech');
  await mkdir(state, { recursive: true });
  await writeFile(join(state, `${metainfo.infoHash}.info`), metainfo.rawInfo);
  const engine = await lab.engine('leech');
  const fetch = engine.fetchMetadata(linkOf(metainfo), { peers: [{ host: HOST, port }] });
  const got = await fetch.metainfo;
  if (dialled.length === 0) await once(silent, 'connection');
  engine.add(got, { out: join(lab.folder, 'leech') });
  const startedAt = performance.now();
  await second;
  assert.ok(performance.now() - startedAt < 10_000, 'not when the swarm looks for more peers');
});

test('the metadata and then the content come from who connects to us, as well', async (t) => {
  const lab = await Lab.create(t);
  const { seed, metainfo } = await lab.seed();
  const engine = await lab.engine('leech');
  const fetch = engine.fetchMetadata(linkOf(metainfo));
  const [torrent] = seed.torrents;
  // It begins to listen for this torrent once it has looked into its state folder.
  const dial = setInterval(() => torrent!.addPeers([peerOf(engine)]), 50);
  const got = await fetch.metainfo.finally(() => clearInterval(dial));
  const out = join(lab.folder, 'leech');
  await mkdir(out);
  await engine.add(got, { out }).completed;
  await assertSame(metainfo, join(lab.folder, 'source'), out);
});

test('two leechers with the link alone, and a tracker, fetch from a seed and from each other', async (t) => {
  const lab = await Lab.create(t);
  const url = await lab.tracker();
  const { metainfo } = await lab.seed({ trackers: [[url]] });
  const link = `${linkOf(metainfo)}&tr=${encodeURIComponent(url)}`;
  await Promise.all(
    ['a', 'b'].map(async (name) => {
      const engine = await lab.engine(name);
      const out = join(lab.folder, name);
      await mkdir(out);
      const torrent = engine.add(await engine.fetchMetadata(link).metainfo, { out });
      await torrent.completed;
      // One announce said that it came, in the time of the search.
      assert.equal(torrent.snapshot().trackers.length, 1);
      await assertSame(metainfo, join(lab.folder, 'source'), out);
    }),
  );
});

test('a link can be stopped, is refused twice, and names no torrent that could not be added', async (t) => {
  const lab = await Lab.create(t);
  const engine = await lab.engine('leech');
  const link = `magnet:?xt=urn:btih:${'ab'.repeat(20)}`;
  const fetch = engine.fetchMetadata(link);
  assert.throws(() => engine.fetchMetadata(link), { code: 'USAGE_INVALID_OPTION' });
  assert.throws(() => engine.fetchMetadata('magnet:?dn=x'), { code: 'INPUT_INVALID' });
  await fetch.stop();
  await assert.rejects(fetch.metainfo, { code: 'CLOSED' });
  assert.deepEqual(engine.snapshot().torrents, []);
  const again = engine.fetchMetadata(link);
  await engine.close();
  await assert.rejects(again.metainfo, { code: 'CLOSED' });
});

test('a dictionary with the right hash and a path that leads out is refused by name', async (t) => {
  const lab = await Lab.create(t);
  const evil = encodeBencode({
    files: [{ length: 5, path: ['..', 'x'] }],
    name: 'n',
    'piece length': 16_384,
    pieces: new Uint8Array(20),
  });
  const infoHash = createHash('sha1').update(evil).digest('hex');
  const engine = await lab.engine('leech');
  await mkdir(join(lab.folder, 'state', 'leech'), { recursive: true });
  await writeFile(join(lab.folder, 'state', 'leech', `${infoHash}.info`), evil);
  const fetch = engine.fetchMetadata(`magnet:?xt=urn:btih:${infoHash}`);
  await assert.rejects(fetch.metainfo, { code: 'TORRENT_UNSAFE_PATH' });
  assert.deepEqual(engine.snapshot().torrents, []);
});

test('a link whose metadata was kept still leads to the peers that it names', async (t) => {
  const lab = await Lab.create(t);
  const { seed, metainfo } = await lab.seed();
  const link = `${linkOf(metainfo)}&x.pe=${HOST}:${seed.listen!.port}`;
  for (const name of ['first', 'second']) {
    const engine = await lab.engine('leech');
    const out = join(lab.folder, name);
    await mkdir(out);
    await engine.add(await engine.fetchMetadata(link).metainfo, { out }).completed;
    await engine.close();
  }
});

test('a torrent that is added over the search for it has its own trackers, and the search is over', async (t) => {
  const lab = await Lab.create(t);
  const url = await lab.tracker();
  const { metainfo } = await lab.seed({ trackers: [[url]] });
  const engine = await lab.engine('leech');
  const fetch = engine.fetchMetadata(linkOf(metainfo));
  const out = join(lab.folder, 'leech');
  await mkdir(out);
  const torrent = engine.add(metainfo, { out });
  await assert.rejects(fetch.metainfo, { code: 'CLOSED' });
  await torrent.completed;
  assert.deepEqual(
    torrent.snapshot().trackers.map((each) => each.url),
    [url],
  );
});

test('a search that is being stopped leaves nothing to the torrent that is added then', async (t) => {
  const lab = await Lab.create(t);
  const url = await lab.tracker();
  const { metainfo } = await lab.seed({ trackers: [[url]] });
  const engine = await lab.engine('leech');
  const fetch = engine.fetchMetadata(`${linkOf(metainfo)}&tr=${encodeURIComponent(url)}`);
  const stopped = fetch.stop();
  const out = join(lab.folder, 'leech');
  await mkdir(out);
  const torrent = engine.add(metainfo, { out });
  await Promise.all([stopped, torrent.completed]);
  await assertSame(metainfo, join(lab.folder, 'source'), out);
});

test('a private torrent gives its metadata to nobody who has a link only', async (t) => {
  const lab = await Lab.create(t);
  const { seed, metainfo } = await lab.seed({ private: true });
  const engine = await lab.engine('leech');
  const fetch = engine.fetchMetadata(linkOf(metainfo), { peers: [peerOf(seed)] });
  await new Promise<void>((resolve) => {
    fetch.onEvent(({ type }) => type === 'peer-connected' && resolve());
  });
  // It is asked nothing, for it offers nothing: the next who connects shows that time has passed.
  const other = await lab.engine('other');
  const second = other.fetchMetadata(linkOf(metainfo), { peers: [peerOf(engine), peerOf(seed)] });
  await new Promise<void>((resolve) => {
    second.onEvent(({ type }) => type === 'peer-connected' && resolve());
  });
  assert.equal(fetch.snapshot().metadata?.holders, 0);
});
