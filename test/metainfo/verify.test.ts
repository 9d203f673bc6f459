import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, open, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hashPieces } from '../../engine/metainfo/hash-pieces.js';
import { parseTorrent } from '../../engine/metainfo/parse.js';
import { type Verification, verifyFiles } from '../../engine/metainfo/verify.js';
import { asPiece } from '../../engine/units.js';
import { makeFolder } from './make-torrent.js';

const PIECE = 16_384;
let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'swarm-verify-'));
});
after(() => rm(root, { recursive: true }));

const sha1 = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest();
/** Bytes that differ from place to place. */
const pattern = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed * 101) & 0xff;
  return bytes;
};

interface Content {
  readonly path: string;
  readonly bytes: Buffer;
  readonly padding?: boolean;
}

/** Three pieces and a byte: `a` ends within piece 1, `small` and `empty` are within it, `b` goes on to the end. */
const contents: readonly Content[] = [
  { path: 'a', bytes: pattern(PIECE + 100, 1) },
  { path: 'sub/small', bytes: pattern(10, 2) },
  { path: 'empty', bytes: Buffer.alloc(0) },
  { path: '.pad/90', bytes: Buffer.alloc(90), padding: true },
  { path: 'b', bytes: pattern(2 * PIECE - 200 + 1, 3) },
];

function torrentOf(files: readonly Content[]) {
  const all = Buffer.concat(files.map((file) => file.bytes));
  const hashes: Buffer[] = [];
  for (let at = 0; at < all.length; at += PIECE) hashes.push(sha1(all.subarray(at, at + PIECE)));
  const list = files.map(({ path, bytes, padding }) => ({
    length: bytes.length,
    path: path.split('/'),
    ...(padding ? { attr: 'p' } : {}),
  }));
  return parseTorrent(makeFolder(list, { pieces: Buffer.concat(hashes) }));
}

/** Writes the content into a folder of its own, changes it, and verifies. */
async function verifyAfter(
  change: (file: (path: string) => string) => Promise<unknown>,
): Promise<Verification> {
  const folder = await mkdtemp(join(root, 'case-'));
  const file = (path: string): string => join(folder, 'root', path);
  for (const { path, bytes, padding } of contents) {
    if (padding) continue;
    await mkdir(dirname(file(path)), { recursive: true });
    await writeFile(file(path), bytes);
  }
  await change(file);
  return verifyFiles(torrentOf(contents), folder);
}

const verdicts = ({ files }: Verification): Record<string, string> =>
  Object.fromEntries(files.map(({ diskPath, verdict }) => [diskPath.slice('root/'.length), verdict]));
const allOk = { a: 'ok', 'sub/small': 'ok', empty: 'ok', b: 'ok' };

async function overwrite(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.from('wrong'), 0, 5, position);
  await file.close();
}

describe('verify', () => {
  test('finds files complete that are, padding and all, with a last piece of one byte', async () => {
    const result = await verifyAfter(async () => {});
    assert.deepEqual(verdicts(result), allOk);
    assert.deepEqual([result.complete, result.badPieces, result.good.count], [true, [], 4]);
  });

  test('names the piece and file that are bad', async () => {
    const result = await verifyAfter((file) => overwrite(file('b'), 2 * PIECE - 300));
    assert.deepEqual(verdicts(result), { ...allOk, b: 'bad' });
    assert.deepEqual([result.complete, result.badPieces], [false, [2]]);
  });

  test('names every file that touches a bad piece, and not those between that have no bytes', async () => {
    const result = await verifyAfter((file) => overwrite(file('sub/small'), 0));
    assert.deepEqual(verdicts(result), { a: 'bad', 'sub/small': 'bad', empty: 'ok', b: 'bad' });
    assert.deepEqual(result.badPieces, [1]);
  });

  test('tells a missing file from its neighbours, whose shared pieces cannot be proven', async () => {
    const result = await verifyAfter((file) => rm(file('sub/small')));
    assert.deepEqual(verdicts(result), { a: 'unproven', 'sub/small': 'missing', empty: 'ok', b: 'unproven' });
    assert.deepEqual(result.badPieces, [1]);
    assert.deepEqual(
      result.files.map((file) => file.actualBytes),
      [PIECE + 100, null, 0, 2 * PIECE - 199],
    );
  });

  test('misses a file without bytes', async () => {
    const result = await verifyAfter((file) => rm(file('empty')));
    assert.deepEqual([verdicts(result).empty, result.complete, result.badPieces], ['missing', false, []]);
  });

  test('tells short files and long ones', async () => {
    const short = await verifyAfter((file) => truncate(file('b'), 2 * PIECE - 200));
    assert.deepEqual([verdicts(short), short.badPieces], [{ ...allOk, b: 'short' }, [3]]);
    const long = await verifyAfter((file) => appendFile(file('b'), 'more'));
    assert.deepEqual([verdicts(long), long.complete], [{ ...allOk, b: 'long' }, true]);
  });

  test('takes folders, pipes and files on the way to files for missing, and does not wait for them', async () => {
    const result = await verifyAfter(async (file) => {
      await rm(file('a'));
      await mkdir(file('a'));
      await rm(file('b'));
      execFileSync('mkfifo', [file('b')]);
      await rm(file('sub'), { recursive: true });
      await writeFile(file('sub'), 'x');
      await rm(file('empty'));
      await symlink('empty', file('empty'));
    });
    assert.deepEqual(verdicts(result), {
      a: 'missing',
      'sub/small': 'missing',
      empty: 'missing',
      b: 'missing',
    });
    assert.equal(result.good.count, 0);
  });

  test('finds everything missing where there is nothing', async () => {
    const result = await verifyFiles(torrentOf(contents), join(root, 'no such folder'));
    assert.deepEqual(new Set(Object.values(verdicts(result))), new Set(['missing']));
    assert.equal(result.badPieces.length, 4);
  });

  test('verifies a torrent without bytes', async () => {
    const metainfo = torrentOf([{ path: 'x', bytes: Buffer.alloc(0) }]);
    const folder = await mkdtemp(join(root, 'none-'));
    assert.equal((await verifyFiles(metainfo, folder)).complete, false);
    await mkdir(join(folder, 'root'));
    await writeFile(join(folder, 'root/x'), '');
    assert.equal((await verifyFiles(metainfo, folder)).complete, true);
  });
});

describe('hashing pieces', () => {
  const many = pattern(40 * 1024 * 1024 + 1, 9);
  const file = () => ({ path: join(root, 'many'), lengthBytes: many.length, padding: false });
  before(() => writeFile(join(root, 'many'), many));

  for (const pieceLength of [PIECE, 100_000, 1024 * 1024, 64 * 1024 * 1024]) {
    test(`tells each piece of ${pieceLength} bytes once, whatever thread it came from`, async () => {
      const digests = new Map<number, string>();
      const progress: number[] = [];
      await hashPieces({
        files: [file()],
        pieceLength,
        threads: 3,
        onPiece: (piece, digest) => {
          assert.ok(!digests.has(piece));
          digests.set(piece, Buffer.from(digest ?? []).toString('hex'));
        },
        onProgress: (done, total) => {
          assert.equal(total, many.length);
          progress.push(done);
        },
      });
      assert.equal(digests.size, Math.ceil(many.length / pieceLength));
      for (const [piece, digest] of digests) {
        const bytes = many.subarray(piece * pieceLength, (piece + 1) * pieceLength);
        assert.equal(digest, sha1(bytes).toString('hex'), `piece ${piece}`);
      }
      assert.deepEqual(
        progress,
        [...progress].sort((a, b) => a - b),
      );
      assert.equal(progress.at(-1), many.length);
    });
  }

  test('hashes only the pieces asked for', async () => {
    const seen: number[] = [];
    const totals = new Set<number>();
    const pieces = [3, 7, 2560].map(asPiece); // the last has one byte
    await hashPieces({
      files: [file()],
      pieceLength: PIECE,
      pieces,
      onPiece: (piece, digest) => {
        assert.deepEqual(Buffer.from(digest ?? []), sha1(many.subarray(piece * PIECE, (piece + 1) * PIECE)));
        seen.push(piece);
      },
      onProgress: (_done, total) => totals.add(total),
    });
    assert.deepEqual(seen, pieces);
    assert.deepEqual([...totals], [2 * PIECE + 1]);
    await hashPieces({ files: [file()], pieceLength: PIECE, pieces: [], onPiece: () => assert.fail() });
  });

  test('names the file that a piece could not be read from', async () => {
    const missing = { path: join(root, 'not there'), lengthBytes: 10, padding: false };
    const faults: (number | undefined)[] = [];
    await hashPieces({
      files: [{ ...file(), lengthBytes: 10 }, missing, { ...file(), lengthBytes: PIECE }],
      pieceLength: PIECE,
      threads: 1,
      onPiece: (_piece, digest, fault) => {
        assert.equal(digest === undefined, fault !== undefined);
        faults.push(fault);
      },
    });
    assert.deepEqual(faults, [1, undefined]);
  });

  test('stops when told to, with the reason given', async () => {
    const early = new AbortController();
    early.abort(new Error('before'));
    const onPiece = (): void => {};
    const options = { files: [file()], pieceLength: PIECE, onPiece };
    await assert.rejects(hashPieces({ ...options, signal: early.signal }), { message: 'before' });
    const late = new AbortController();
    const onProgress = (): void => {
      assert.ok(!late.signal.aborted, 'told after it was stopped');
      late.abort(new Error('during'));
    };
    await assert.rejects(hashPieces({ ...options, onProgress, signal: late.signal }), { message: 'during' });
  });

  test('passes on what its listener throws', async () => {
    const onPiece = (): void => {
      throw new Error('listener');
    };
    await assert.rejects(hashPieces({ files: [file()], pieceLength: PIECE, onPiece }), {
      message: 'listener',
    });
  });
});
