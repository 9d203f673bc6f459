import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import {
  type AddOptions,
  Engine,
  type EngineOptions,
  SwarmError,
  type TorrentEvent,
} from '../../engine/index.js';
import { createTorrent } from '../../engine/metainfo/create.js';
import { makeFolder } from '../../fixtures/folder.js';
import { buildRoot } from '../support/root.js';

const execute = promisify(execFile);
const HOST = '127.0.0.1';
const MIB = 1024 * 1024;

/** Engines of a test, closed before its folder goes. */
const enginesOf = new WeakMap<TestContext, Engine[]>();

async function workspace(t: TestContext): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'swarm-engine-'));
  const engines: Engine[] = [];
  enginesOf.set(t, engines);
  t.after(async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    await rm(base, { recursive: true, force: true });
  });
  return base;
}

async function start(
  t: TestContext,
  base: string,
  name: string,
  options: EngineOptions = {},
): Promise<Engine> {
  const engine = await Engine.create({ listenHost: HOST, stateDir: join(base, 'state', name), ...options });
  enginesOf.get(t)?.push(engine);
  return engine;
}

const peerOf = (engine: Engine) => ({ host: HOST, port: engine.listen!.port });

/** A folder, its torrent, and an engine that seeds it. */
async function seeded(
  t: TestContext,
  bytes: number,
  options: EngineOptions = {},
  pieceLength = 64 * 1024,
  more: AddOptions = {},
) {
  const base = await workspace(t);
  const folder = await makeFolder(join(base, 'source'), 'folder', bytes);
  const { bytes: torrent, metainfo } = await createTorrent(folder, { pieceLength });
  const seed = await start(t, base, 'seed', options);
  const serving = { out: join(base, 'source'), readOnly: true, assumeComplete: true, ...more };
  await seed.add(torrent, serving).completed;
  return { base, torrent, metainfo, seed };
}

async function sha256(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

async function assertSameFiles(metainfo: { files: readonly { diskPath: string }[] }, a: string, b: string) {
  for (const { diskPath } of metainfo.files) {
    assert.equal(await sha256(join(a, diskPath)), await sha256(join(b, diskPath)), diskPath);
  }
}

test('a folder goes from a seed to three leechers, who also serve each other', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, 6 * MIB);
  const leechers = await Promise.all(['a', 'b', 'c'].map((name) => start(t, base, name)));
  const everybody = [seed, ...leechers].map(peerOf);
  await Promise.all(
    leechers.map((engine, i) => engine.add(torrent, { out: join(base, `${i}`), peers: everybody }).completed),
  );
  for (const i of [0, 1, 2]) await assertSameFiles(metainfo, join(base, 'source'), join(base, `${i}`));
});

test('tells what happens, in order', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, MIB);
  const leecher = await start(t, base, 'a');
  const events: TorrentEvent[] = [];
  const added = leecher.add(torrent, { out: join(base, 'a'), peers: [peerOf(seed)] });
  added.onEvent((event) => events.push(event));
  await added.completed;
  const types = events.map(({ type }) => type);
  assert.equal(types[0], 'checked');
  assert.equal(types.filter((type) => type === 'piece').length, metainfo.pieceCount);
  assert.equal(types.filter((type) => type === 'complete').length, 1);
  assert.deepEqual(added.transferred, { ...added.transferred, downloadedBytes: metainfo.totalBytes });
});

test('tries peers that were added during the check', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, MIB);
  const engine = await start(t, base, 'a');
  const added = engine.add(torrent, { out: join(base, 'a') });
  assert.equal(added.phase, 'checking');
  added.addPeers([peerOf(seed)]);
  await added.completed;
  await assertSameFiles(metainfo, join(base, 'source'), join(base, 'a'));
});

test('tells of a tracker only when its state or message changed', async (t) => {
  const { base, torrent } = await seeded(t, MIB);
  const engine = await start(t, base, 'a');
  // Port 1 refuses at once.
  const added = engine.add(torrent, { out: join(base, 'a'), trackers: [`http://${HOST}:1/announce`] });
  const told: string[] = [];
  await new Promise<void>((resolve) => {
    added.onEvent((event) => {
      if (event.type !== 'tracker') return;
      told.push(`${event.state} ${event.message}`);
      if (event.state === 'failed') resolve();
    });
  });
  await added.stop();
  assert.equal(new Set(told).size, told.length, told.join(', '));
});

test('downloads the files that are chosen and no others', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, 4 * MIB);
  const leecher = await start(t, base, 'a');
  const wantedFiles = metainfo.files.map(({ diskPath }) => diskPath.includes('soundtrack'));
  const out = join(base, 'a');
  const added = leecher.add(torrent, { out, wantedFiles, peers: [peerOf(seed)] });
  await added.completed;
  const wanted = metainfo.files.filter((_, i) => wantedFiles[i]);
  await assertSameFiles({ files: wanted }, join(base, 'source'), out);
  const snapshot = added.snapshot();
  assert.equal(snapshot.haveBytes, snapshot.wantedBytes);
  assert.equal(
    snapshot.wantedBytes,
    wanted.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
  );
  assert.ok(added.transferred.downloadedBytes < metainfo.totalBytes / 2);
});

test('who chose some files is no seed to the tracker when it has them', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, 2 * MIB);
  const announces: URLSearchParams[] = [];
  const tracker = createServer((request, response) => {
    announces.push(new URL(request.url ?? '', 'http://x').searchParams);
    response.end('d8:intervali1800e5:peers0:e');
  }).listen(0, HOST);
  t.after(() => tracker.close());
  await once(tracker, 'listening');
  const { port } = tracker.address() as AddressInfo;
  const leecher = await start(t, base, 'a');
  const added = leecher.add(torrent, {
    out: join(base, 'a'),
    wantedFiles: metainfo.files.map(({ diskPath }) => diskPath.includes('soundtrack')),
    trackers: [`http://${HOST}:${port}/announce`],
    peers: [peerOf(seed)],
  });
  await added.completed;
  await added.stop();
  assert.deepEqual(
    announces.map((query) => query.get('event')),
    ['started', 'stopped'],
  );
  assert.ok(Number(announces.at(-1)?.get('left')) > MIB);
});

test('a file can be read while it is being downloaded', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, 4 * MIB, { uploadBytesPerSecond: 4 * MIB });
  const leecher = await start(t, base, 'a');
  const added = leecher.add(torrent, { out: join(base, 'a'), peers: [peerOf(seed)] });
  const file = metainfo.files.findIndex(({ diskPath }) => diskPath.endsWith('film.mkv'));
  const hash = createHash('sha256');
  let first: string | undefined;
  for await (const chunk of added.createReadStream(file)) {
    first ??= added.phase;
    hash.update(chunk);
  }
  assert.equal(first, 'downloading');
  assert.equal(hash.digest('hex'), await sha256(join(base, 'source', metainfo.files[file]!.diskPath)));
});

test('a range of a file can be read', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, MIB);
  const leecher = await start(t, base, 'a');
  const added = leecher.add(torrent, { out: join(base, 'a'), peers: [peerOf(seed)] });
  const file = metainfo.files.findIndex(({ diskPath }) => diskPath.endsWith('film.mkv'));
  const chunks: Buffer[] = [];
  for await (const chunk of added.createReadStream(file, { start: 70_001, end: 140_003 })) chunks.push(chunk);
  const whole = await readFile(join(base, 'source', metainfo.files[file]!.diskPath));
  assert.ok(Buffer.concat(chunks).equals(whole.subarray(70_001, 140_003)));
});

test('who reads from far into a file does not wait for what is before', async (t) => {
  const slow = { uploadBytesPerSecond: 8 * MIB };
  // A seed that shows its pieces one by one decides their order itself.
  const { base, torrent, metainfo, seed } = await seeded(t, 8 * MIB, slow, 64 * 1024, { superSeed: 'off' });
  const leecher = await start(t, base, 'a');
  const added = leecher.add(torrent, { out: join(base, 'a'), peers: [peerOf(seed)] });
  const file = metainfo.files.findIndex(({ diskPath }) => diskPath.endsWith('film.mkv'));
  const from = metainfo.files[file]!.lengthBytes - 100_000;
  for await (const _ of added.createReadStream(file, { start: from })) break;
  assert.ok(added.transferred.downloadedBytes < 6 * MIB, `${added.transferred.downloadedBytes}`);
});

test('several torrents share one engine', async (t) => {
  const base = await workspace(t);
  const [seed, leecher] = [await start(t, base, 'seed'), await start(t, base, 'leecher')];
  const downloads = [];
  for (let i = 0; i < 5; i++) {
    await makeFolder(join(base, 'source'), `folder-${i}`, (i + 1) * 300_000);
    const { bytes, metainfo } = await createTorrent(join(base, 'source', `folder-${i}`), {
      pieceLength: 16384 << i,
    });
    await seed.add(bytes, { out: join(base, 'source'), readOnly: true, assumeComplete: true }).completed;
    downloads.push({
      metainfo,
      torrent: leecher.add(bytes, { out: join(base, 'out'), peers: [peerOf(seed)] }),
    });
  }
  await Promise.all(downloads.map(({ torrent }) => torrent.completed));
  for (const { metainfo } of downloads)
    await assertSameFiles(metainfo, join(base, 'source'), join(base, 'out'));
});

test('a second torrent with the same file in the same folder is refused, until the first has stopped', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, MIB);
  const { bytes: other } = await createTorrent(join(base, 'source', 'folder'), { pieceLength: 32_768 });
  const engine = await start(t, base, 'a');
  const first = engine.add(torrent, { out: join(base, 'a'), peers: [peerOf(seed)] });
  const refused = { code: 'STORAGE_IN_USE', message: new RegExp(metainfo.files[0]!.diskPath) };
  assert.throws(() => engine.add(other, { out: join(base, 'a') }), refused);
  assert.equal(engine.torrents.length, 1);
  await first.completed;
  await first.stop();
  await engine.add(other, { out: join(base, 'a') }).completed;
  const serving = { out: join(base, 'source'), readOnly: true, assumeComplete: true };
  await seed.add(other, serving).completed;
  await assertSameFiles(metainfo, join(base, 'source'), join(base, 'a'));
});

test('goes on where it stopped', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, 4 * MIB, { uploadBytesPerSecond: 2 * MIB });
  const options: AddOptions = { out: join(base, 'a'), peers: [peerOf(seed)] };
  const first = await start(t, base, 'a');
  const stopped = first.add(torrent, options);
  await new Promise<void>((resolve) => {
    let pieces = 0;
    stopped.onEvent(({ type }) => {
      if (type === 'piece' && ++pieces === 20) resolve();
    });
  });
  await first.close();
  const { havePieces } = stopped.snapshot();
  assert.ok(havePieces >= 20 && havePieces < metainfo.pieceCount);
  const second = await start(t, base, 'a');
  const resumed = second.add(torrent, options);
  await resumed.completed;
  const fetched = Math.ceil(resumed.transferred.downloadedBytes / metainfo.pieceLength);
  assert.ok(fetched <= metainfo.pieceCount - 20, `${fetched} pieces again`);
  await assertSameFiles(metainfo, join(base, 'source'), join(base, 'a'));
});

test('a torrent without content is complete at once', async (t) => {
  const base = await workspace(t);
  await mkdir(join(base, 'source'));
  await writeFile(join(base, 'source', 'empty'), '');
  const { bytes } = await createTorrent(join(base, 'source'), {});
  const engine = await start(t, base, 'a');
  await engine.add(bytes, { out: join(base, 'out') }).completed;
  assert.equal((await readFile(join(base, 'out', 'source', 'empty'))).length, 0);
});

test('stopping rejects `completed`, frees the torrent for another time, and may be repeated', async (t) => {
  const { base, torrent } = await seeded(t, MIB);
  const engine = await start(t, base, 'a');
  const added = engine.add(torrent, { out: join(base, 'a') });
  assert.throws(() => engine.add(torrent, {}), { code: 'USAGE_INVALID_OPTION' });
  await Promise.all([added.stop(), added.stop()]);
  await assert.rejects(added.completed, { code: 'CLOSED' });
  assert.equal(engine.torrents.length, 0);
  engine.add(torrent, { out: join(base, 'a') });
});

test('a folder that cannot be written is a coded error of that torrent alone', async (t) => {
  const { base, torrent, metainfo, seed } = await seeded(t, MIB);
  await writeFile(join(base, 'file'), '');
  const engine = await start(t, base, 'a');
  const bad = engine.add(torrent, { out: join(base, 'file', 'below'), peers: [peerOf(seed)] });
  await assert.rejects(
    bad.completed,
    (error) => error instanceof SwarmError && error.code.startsWith('STORAGE_'),
  );
  assert.equal(bad.phase, 'failed');
  assert.equal(bad.error?.code, 'STORAGE_MISSING');
  await bad.stop();
  const good = engine.add(torrent, { out: join(base, 'good'), peers: [peerOf(seed)] });
  await good.completed;
  await assertSameFiles(metainfo, join(base, 'source'), join(base, 'good'));
});

test('a port that is taken is a coded error', async (t) => {
  const base = await workspace(t);
  const engine = await start(t, base, 'a');
  await assert.rejects(Engine.create({ listenHost: HOST, listenPort: engine.listen!.port }), {
    code: 'ADDRESS_UNAVAILABLE',
  });
});

test('importing does nothing, and after close() nothing keeps the process alive', async (t) => {
  const { base, torrent, seed } = await seeded(t, MIB);
  await writeFile(join(base, 'x.torrent'), torrent);
  const program = `
    const { Engine } = await import(${JSON.stringify(join(buildRoot, 'engine/index.js'))});
    // The modules' own files may still be closing; a dependency looks whether stderr is a terminal.
    const harmless = ['CloseReq', 'PipeWrap'];
    const opened = process.getActiveResourcesInfo().filter((kind) => !harmless.includes(kind));
    if (opened.length > 0) throw new Error('import opened ' + opened);
    const { readFileSync } = await import('node:fs');
    const engine = await Engine.create({ listenHost: '${HOST}', stateDir: ${JSON.stringify(join(base, 'child-state'))} });
    const torrent = engine.add(readFileSync(${JSON.stringify(join(base, 'x.torrent'))}), {
      out: ${JSON.stringify(join(base, 'child'))}, peers: [${JSON.stringify(peerOf(seed))}] });
    await torrent.completed;
    await engine.close();
    console.log('closed');`;
  // Not spawnSync: the seed is in this process.
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', program], {
    timeout: 20_000,
  });
  assert.equal(stdout, 'closed\n');
});

test('a listener that throws stops neither the other listeners nor the swarm', async (t) => {
  const { base, torrent, seed } = await seeded(t, MIB);
  const engine = await start(t, base, 'a');
  const added = engine.add(torrent, { out: join(base, 'a'), peers: [peerOf(seed)] });
  let heard = 0;
  added.onEvent(() => {
    throw new Error('not my day');
  });
  added.onEvent(() => heard++);
  await added.completed;
  assert.ok(heard > 0);
  assert.ok(engine.snapshot().log.some(({ text }) => text.includes('not my day')));
});
