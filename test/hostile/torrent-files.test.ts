/** Hostile torrent files: valid, and as expensive as they can be. Memory and descriptors stay bounded. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Engine, type EngineOptions } from '../../engine/index.js';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { parseTorrent } from '../../engine/metainfo/parse.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { Attacker, HOST } from './attacker.js';
import { portOf } from './battlefield.js';

const KIB = 1024;
const MIB = KIB * KIB;

function torrentOf(info: Record<string, unknown>, bytes: number, pieceLength: number): Uint8Array {
  const pieces = new Uint8Array(Math.ceil(bytes / pieceLength) * 20);
  return encodeBencode({ info: { name: 'x', 'piece length': pieceLength, pieces, ...info } } as never);
}

async function startOf(t: TestContext, torrentFile: Uint8Array, options: EngineOptions = {}) {
  const scope = cleanUpOf(t);
  const base = await temporaryFolder(scope);
  const engine = await Engine.create({ listenHost: HOST, stateDir: join(base, 'state'), ...options });
  scope.after(() => engine.close());
  const torrent = engine.add(torrentFile, { out: join(base, 'out') });
  await new Promise<void>((resolve) => {
    torrent.onEvent(({ type }) => {
      if (type === 'checked') setImmediate(resolve);
    });
  });
  return { base, engine, torrent, metainfo: parseTorrent(torrentFile) };
}

const heapAndBuffers = (): number => {
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + arrayBuffers + external;
};

test('one and a half million pieces of one byte: a bounded torrent, and a bounded peer', {
  timeout: 60_000,
}, async (t) => {
  const before = heapAndBuffers();
  const pieces = 1_500_000;
  const { engine, torrent, metainfo } = await startOf(t, torrentOf({ length: pieces }, pieces, 1));
  assert.equal(torrent.snapshot().pieceStates.length, pieces);
  const attacker = (await Attacker.to(portOf(engine), metainfo.infoHash)).pretendSeed();
  await attacker.received(6, 2);
  const grown = Math.round((heapAndBuffers() - before) / MIB);
  t.diagnostic(`${grown} MiB`);
  assert.ok(grown < 400, `${grown} MiB`);
  attacker.end();
});

test('pieces of 128 MiB take no more than two of them, whatever peers claim', {
  timeout: 60_000,
}, async (t) => {
  const bytes = 8 * 128 * MIB;
  const { engine, torrent, metainfo } = await startOf(t, torrentOf({ length: bytes }, bytes, 128 * MIB));
  const attackers = await Promise.all(
    Array.from({ length: 8 }, () => Attacker.to(portOf(engine), metainfo.infoHash)),
  );
  for (const attacker of attackers) attacker.pretendSeed();
  await Promise.all(attackers.map((attacker) => attacker.received(6, 2)));
  const { usedBytes } = engine.snapshot().arena;
  assert.ok(usedBytes <= 2 * 128 * MIB, `${usedBytes} bytes`);
  assert.equal(torrent.phase, 'downloading');
  for (const attacker of attackers) attacker.end();
});

test('20,000 files of one byte start, and stop, with few descriptors', { timeout: 60_000 }, async (t) => {
  const count = 20_000;
  const files = Array.from({ length: count }, (_, i) => ({ length: 1, path: [`${i % 100}`, `${i}`] }));
  const { engine, torrent } = await startOf(t, torrentOf({ files }, count, 16 * KIB));
  assert.equal(torrent.snapshot().files.length, count);
  const open = (await readdir('/proc/self/fd')).length;
  assert.ok(open < 300, `${open} descriptors`);
  await engine.close();
});
