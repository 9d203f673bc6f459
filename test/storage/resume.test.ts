import assert from 'node:assert/strict';
import { cp, open, readdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeResumeLine, parseResume } from '../../engine/storage/resume-lines.js';
import { asPiece } from '../../engine/units.js';
import {
  allPieces,
  fetchPieces,
  type MadeTorrent,
  makeFolder,
  makeStorage,
  makeTorrent,
} from './made-torrent.js';

const FILES = [
  { path: 't/a', lengthBytes: 300_000 },
  { path: 't/b', lengthBytes: 300_000 },
  { path: 't/c', lengthBytes: 100_001 },
];
const PIECE = 16_384;

/** Fetches all but the last three pieces and closes cleanly. */
async function downloaded(t: TestContext): Promise<{ folder: string; torrent: MadeTorrent; count: number }> {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(PIECE, FILES);
  const { storage } = makeStorage(t, folder);
  const { store } = await storage.openTorrent(torrent.metainfo, folder);
  const pieces = allPieces(torrent).slice(0, -3);
  await fetchPieces(store, torrent, pieces);
  await storage.close();
  return { folder, torrent, count: pieces.length };
}

/** Opens again; `hashed` is the number of pieces that had to be. */
async function reopen(t: TestContext, folder: string, torrent: MadeTorrent) {
  const { storage, warnings } = makeStorage(t, folder);
  let isChecked = false;
  const { have } = await storage.openTorrent(torrent.metainfo, folder, {
    onCheckProgress: () => {
      isChecked = true;
    },
  });
  await storage.close();
  return { have, isChecked, warnings };
}

const resumePath = async (folder: string): Promise<string> => {
  const [name = '', ...others] = await readdir(join(folder, 'state'));
  assert.deepEqual(others, [], 'one file, and no temporary ones');
  return join(folder, 'state', name);
};

/** Changes one byte without a change of size. */
async function spoil(path: string, position: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  await handle.write(byte, 0, 1, position);
  await handle.close();
}

test('believes a clean close without hashing', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  const { have, isChecked } = await reopen(t, folder, torrent);
  assert.equal(have.count, count);
  assert.equal(isChecked, false);
});

test('hashes only the pieces of a file that was touched since', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  await spoil(join(folder, 't/b'), 150_000);
  const { storage } = makeStorage(t, folder);
  let total = 0;
  const { have } = await storage.openTorrent(torrent.metainfo, folder, {
    onCheckProgress: (share) => {
      total = share;
    },
  });
  assert.equal(total, 1);
  assert.equal(have.count, count - 1);
  assert.equal(have.get(asPiece(Math.floor(450_000 / PIECE))), false);
});

test('a modification time put back by a copy is still a different one', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  await spoil(join(folder, 't/a'), 5);
  await utimes(join(folder, 't/a'), new Date(0), new Date(0));
  const { have, isChecked } = await reopen(t, folder, torrent);
  assert.equal(isChecked, true);
  assert.equal(have.count, count - 1);
  assert.equal(have.get(asPiece(0)), false);
});

test('forgets the pieces of a file that is gone or has become shorter', async (t) => {
  const { folder, torrent } = await downloaded(t);
  await rm(join(folder, 't/a'));
  await truncate(join(folder, 't/b'), 200_000);
  const { have } = await reopen(t, folder, torrent);
  const missing = (piece: number): boolean => piece * PIECE < 300_000 || (piece + 1) * PIECE > 500_000;
  for (const piece of allPieces(torrent)) {
    const inB = !missing(piece) || (piece * PIECE >= 600_000 && piece < torrent.metainfo.pieceCount - 3);
    assert.equal(have.get(asPiece(piece)), inB, `piece ${piece}`);
  }
});

test('without resume data, checks everything if any file exists, and nothing if none does', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  await rm(join(folder, 'state'), { recursive: true });
  const found = await reopen(t, folder, torrent);
  assert.deepEqual([found.have.count, found.isChecked], [count, true]);
  await rm(join(folder, 'state'), { recursive: true });
  await rm(join(folder, 't'), { recursive: true });
  const empty = await reopen(t, folder, torrent);
  assert.deepEqual([empty.have.count, empty.isChecked], [0, false]);
});

test('a resume file cut at any byte or with any byte changed never claims a piece that is not there', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  await spoil(join(folder, 't/b'), 150_000);
  const path = await resumePath(folder);
  const intact = await readFile(path);
  for (let at = 0; at < intact.length; at += 149) {
    await writeFile(path, intact.subarray(0, at));
    assert.equal((await reopen(t, folder, torrent)).have.count, count - 1, `cut at ${at}`);
    const changed = Buffer.from(intact);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(path, changed);
    assert.equal((await reopen(t, folder, torrent)).have.count, count - 1, `changed at ${at}`);
  }
});

test('a resume file of another torrent, folder or shape is ignored', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  const path = await resumePath(folder);
  const line = await readFile(path, 'utf8');
  const checkpoint = parseResume(line, FILES.length)?.checkpoint;
  assert.ok(checkpoint);
  const full = Buffer.alloc(Math.ceil(torrent.metainfo.pieceCount / 8), 0xff).toString('base64');
  for (const lie of [
    { ...checkpoint, infoHash: 'f'.repeat(40) },
    { ...checkpoint, root: '/somewhere/else' },
    { ...checkpoint, version: 2 },
    { ...checkpoint, have: full },
    { ...checkpoint, have: '' },
    { ...checkpoint, files: [] },
    { ...checkpoint, files: checkpoint.files.map(() => '9'.repeat(400)) },
    { ...checkpoint, files: checkpoint.files.map(() => 'NaN') },
    { ...checkpoint, bootId: 7 },
    { ...checkpoint, timeMs: -1 },
    [],
    null,
  ]) {
    await writeFile(path, encodeResumeLine(lie as never));
    const { have, isChecked } = await reopen(t, folder, torrent);
    assert.deepEqual([have.count, isChecked], [count, true], JSON.stringify(lie).slice(0, 200));
  }
});

test('believes lines only of pieces and files that exist', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  const path = await resumePath(folder);
  const lines = await readFile(path, 'utf8');
  const more = [
    ['d', 1e9, '0', '1', '1'],
    ['d', 0, '77', '1', '1'],
    ['d', 0, '-1', '1', '1'],
    ['d', -1],
    ['w', 2 ** 40, 5],
    ['w', 3],
    ['x', 3, 4],
  ].map((record) => encodeResumeLine(record as never));
  await writeFile(path, `${lines}${more.join('')}no line at all\n\n`);
  assert.equal((await reopen(t, folder, torrent)).have.count, count);
});

test('after another boot only files that had been at rest are believed', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  const path = await resumePath(folder);
  const checkpoint = parseResume(await readFile(path, 'utf8'), FILES.length)?.checkpoint;
  assert.ok(checkpoint);
  await writeFile(path, encodeResumeLine({ ...checkpoint, bootId: 'another' }));
  assert.equal((await reopen(t, folder, torrent)).isChecked, true);
  await writeFile(path, encodeResumeLine({ ...checkpoint, bootId: 'another', timeMs: Date.now() + 600_000 }));
  const rested = await reopen(t, folder, torrent);
  assert.deepEqual([rested.have.count, rested.isChecked], [count, false]);
});

test('a folder that was moved, or copied back from elsewhere, is checked', async (t) => {
  const { folder, torrent, count } = await downloaded(t);
  await cp(join(folder, 't'), join(folder, 'copy'), { recursive: true });
  await rm(join(folder, 't'), { recursive: true });
  await rename(join(folder, 'copy'), join(folder, 't'));
  const { have, isChecked } = await reopen(t, folder, torrent);
  assert.deepEqual([have.count, isChecked], [count, true]);
});

test('a state folder that cannot be written is a warning, and the download goes on', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'file'), '');
  const torrent = makeTorrent(PIECE, FILES);
  const { storage, warnings } = makeStorage(t, folder, { stateDir: join(folder, 'file/state') });
  const { store } = await storage.openTorrent(torrent.metainfo, folder);
  const told = await fetchPieces(store, torrent, allPieces(torrent));
  assert.equal(told.count('verified'), torrent.metainfo.pieceCount);
  assert.match(warnings[0] ?? '', /no resume data can be written/);
});

test('an aborted check rejects with the reason and leaves nothing open', async (t) => {
  const { folder, torrent } = await downloaded(t);
  await rm(join(folder, 'state'), { recursive: true });
  const { storage } = makeStorage(t, folder);
  const reason = new Error('enough');
  await assert.rejects(
    storage.openTorrent(torrent.metainfo, folder, { signal: AbortSignal.abort(reason) }),
    reason,
  );
});
