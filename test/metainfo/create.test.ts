import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BencodeDict, decodeBencode } from '../../engine/metainfo/bencode.js';
import { choosePieceLength, createTorrent } from '../../engine/metainfo/create.js';
import { readTorrentFile } from '../../engine/metainfo/read.js';
import { verifyFiles } from '../../engine/metainfo/verify.js';
import { requireClient } from '../support/clients.js';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'swarm-create-'));
});
after(() => rm(root, { recursive: true }));

let made = 0;
/** A folder with these files; text repeats its path up to `length` bytes. */
async function folderOf(files: Readonly<Record<string, number>>): Promise<string> {
  const folder = join(root, `input-${made++}`);
  await mkdir(folder);
  for (const [path, length] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), Buffer.alloc(length, `${path}.`));
  }
  return folder;
}

const paths = (metainfo: { files: readonly { path: readonly string[] }[] }): string[] =>
  metainfo.files.map((file) => file.path.join('/'));

describe('create', () => {
  test('makes a torrent of one file', async () => {
    const folder = await folderOf({ 'a.bin': 40_000 });
    const { metainfo } = await createTorrent(join(folder, 'a.bin'), { pieceLength: 16_384 });
    const bytes = await readFile(join(folder, 'a.bin'));
    const hashes = [0, 16_384, 32_768].map((at) =>
      createHash('sha1')
        .update(bytes.subarray(at, at + 16_384))
        .digest(),
    );
    assert.deepEqual(Buffer.from(metainfo.pieceHashes), Buffer.concat(hashes));
    assert.deepEqual([metainfo.name, metainfo.singleFile, metainfo.totalBytes], ['a.bin', true, 40_000]);
    assert.equal((await verifyFiles(metainfo, folder)).complete, true);
  });

  test('makes a torrent of a folder, hidden and empty files included, in the byte order of whole paths', async () => {
    const folder = await folderOf({
      'b/z': 1,
      'b-c': 2,
      b2: 3,
      'B/a': 4,
      '.hidden': 5,
      empty: 0,
      é: 6,
      '\u{1f600}': 7,
      '\uff5e': 8,
    });
    const { metainfo, skipped } = await createTorrent(folder);
    assert.deepEqual(paths(metainfo), [
      '.hidden',
      'B/a',
      'b-c',
      'b/z',
      'b2',
      'empty',
      'é',
      '\uff5e',
      '\u{1f600}',
    ]);
    assert.deepEqual(skipped, []);
    assert.equal((await verifyFiles(metainfo, dirname(folder))).complete, true);
  });

  test('writes what was asked for, and reads it back', async () => {
    const folder = await folderOf({ a: 1 });
    const { bytes, metainfo } = await createTorrent(join(folder, 'a'), {
      name: 'other',
      trackers: [['http://a/', 'udp://b'], [], ['http://c/']],
      private: true,
      comment: 'hé',
      webSeeds: ['http://w/'],
      creationDate: 1_700_000_000,
      createdBy: 'test',
    });
    assert.equal(metainfo.name, 'other');
    assert.deepEqual(metainfo.trackers, [['http://a/', 'udp://b'], ['http://c/']]);
    assert.deepEqual([metainfo.private, metainfo.comment, metainfo.createdBy], [true, 'hé', 'test']);
    assert.deepEqual([metainfo.webSeeds, metainfo.creationDate], [['http://w/'], 1_700_000_000]);
    const file = join(folder, 'a.torrent');
    await writeFile(file, bytes);
    assert.equal((await readTorrentFile(file)).metainfo.infoHash, metainfo.infoHash);
  });

  test('writes the same bytes again, without a date or anything of this machine', async () => {
    const folder = await folderOf({ b: 10, a: 10, 'c/d': 10 });
    const first = await createTorrent(folder, { threads: 1 });
    const second = await createTorrent(`${folder}/`, { threads: 2 });
    assert.deepEqual(first.bytes, second.bytes);
    assert.deepEqual([...(decodeBencode(first.bytes) as BencodeDict).keys()], ['created by', 'info']);
    assert.deepEqual(
      [...((decodeBencode(first.bytes) as BencodeDict).get('info') as BencodeDict).keys()],
      ['files', 'name', 'piece length', 'pieces'],
    );
  });

  test('follows links to files inside, and leaves out what leads out, pipes and dead links', async () => {
    const folder = await folderOf({ a: 5, 'sub/b': 5 });
    const outside = await folderOf({ secret: 5 });
    await symlink('../a', join(folder, 'sub/inside'));
    await symlink(join(outside, 'secret'), join(folder, 'outside'));
    await symlink(outside, join(folder, 'outside-folder'));
    await symlink('.', join(folder, 'loop'));
    await symlink('self', join(folder, 'self'));
    await symlink('nowhere', join(folder, 'dead'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const { metainfo, skipped } = await createTorrent(folder);
    assert.deepEqual(paths(metainfo), ['a', 'sub/b', 'sub/inside']);
    assert.deepEqual(skipped, ['dead', 'loop', 'outside', 'outside-folder', 'pipe', 'self']);
  });

  test('reads an input that is itself a link', async () => {
    const folder = await folderOf({ a: 5 });
    await symlink(folder, `${folder}-link`);
    const { metainfo } = await createTorrent(`${folder}-link`);
    assert.equal(metainfo.name, `${basename(folder)}-link`);
    assert.equal((await verifyFiles(metainfo, root)).complete, true);
  });

  test('reads files where they are, though readers elsewhere would rename them', async () => {
    const folder = await folderOf({ 'a.txt': 5, 'A.txt': 6, 'x\x1b': 7 });
    const { metainfo, bytes } = await createTorrent(folder);
    assert.equal((await verifyFiles(metainfo, root)).complete, true);
    await writeFile(join(root, 'renaming.torrent'), bytes);
    const elsewhere = (await readTorrentFile(join(root, 'renaming.torrent'))).metainfo;
    assert.deepEqual(
      elsewhere.files.map((file) => basename(file.diskPath)),
      ['A.txt', 'a.1.txt', 'x_'],
    );
  });

  test('makes a torrent without bytes', async () => {
    const { metainfo } = await createTorrent(await folderOf({ a: 0, b: 0 }));
    assert.deepEqual([metainfo.totalBytes, metainfo.pieceCount, metainfo.files.length], [0, 0, 2]);
  });

  test('works in a program that is itself given on the command line', async () => {
    const folder = await folderOf({ a: 5 });
    const module = new URL('../../engine/metainfo/create.js', import.meta.url).href;
    const program = `import { createTorrent } from ${JSON.stringify(module)};
      console.log((await createTorrent(${JSON.stringify(folder)})).metainfo.infoHash);`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    assert.equal(printed.trim(), (await createTorrent(folder)).metainfo.infoHash);
  });

  test('tells how far it is', async () => {
    const folder = await folderOf({ a: 20 * 1024 * 1024, b: 1 });
    const progress: (readonly [number, number])[] = [];
    await createTorrent(folder, {
      pieceLength: 65_536,
      onProgress: (done, total) => progress.push([done, total]),
    });
    assert.ok(progress.length >= 3);
    assert.deepEqual(progress.at(-1), [20 * 1024 * 1024 + 1, 20 * 1024 * 1024 + 1]);
  });

  test('stops when told to', async () => {
    const folder = await folderOf({ a: 20 * 1024 * 1024 });
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('enough'));
    await assert.rejects(createTorrent(folder, { onProgress, signal: controller.signal }), {
      message: 'enough',
    });
  });

  test('refuses input that is not there, is empty, or is no file, by its path', async () => {
    const missing = join(root, 'missing');
    await assert.rejects(createTorrent(missing), {
      code: 'INPUT_NOT_FOUND',
      details: { path: missing, errno: 'ENOENT' },
    });
    const empty = await folderOf({});
    await assert.rejects(createTorrent(empty), { code: 'INPUT_INVALID', details: { path: empty } });
    await assert.rejects(createTorrent('/dev/null'), { code: 'INPUT_INVALID' });
    const pipe = join(root, 'a pipe');
    execFileSync('mkfifo', [pipe]);
    await assert.rejects(createTorrent(pipe), { code: 'INPUT_INVALID' });
  });

  test('refuses a file whose name is not UTF-8, which no torrent could hold', async () => {
    const folder = await folderOf({ a: 1 });
    await writeFile(Buffer.from(`${folder}/caf\xe9`, 'latin1'), 'x');
    await assert.rejects(createTorrent(folder), { code: 'INPUT_NOT_FOUND' });
  });

  test('refuses impossible options by their names', async () => {
    const folder = await folderOf({ a: 1 });
    for (const pieceLength of [0, -1, 1_000, 8_192, 16_385, 2 ** 28, 1.5, Number.NaN]) {
      await assert.rejects(createTorrent(folder, { pieceLength }), {
        code: 'USAGE_INVALID_OPTION',
        details: { option: 'pieceLength', value: pieceLength },
      });
    }
    for (const creationDate of [-1, 1.5, Number.NaN, 2 ** 60]) {
      await assert.rejects(createTorrent(folder, { creationDate }), {
        code: 'USAGE_INVALID_OPTION',
        details: { option: 'creationDate', value: creationDate },
      });
    }
    await assert.rejects(createTorrent(folder, { name: '../x' }), { code: 'TORRENT_UNSAFE_PATH' });
  });

  test('chooses a piece length that makes at most 2,048 pieces, up to 16 MiB', () => {
    const GIB = 2 ** 30;
    const cases = [
      [0, 2 ** 15],
      [2 ** 26, 2 ** 15],
      [2 ** 26 + 1, 2 ** 16],
      [GIB, 2 ** 19],
      [100 * GIB, 2 ** 24],
    ] as const;
    for (const [totalBytes, expected] of cases) assert.equal(choosePieceLength(totalBytes), expected);
  });
});

describe('the info-hash is the same as that of', () => {
  /** Nothing on which the two disagree: mktorrent sorts by bytes, transmission-create 3.00 without regard to case and without hidden and empty files. */
  const agreed = { 'a.bin': 100_000, 'b/c.bin': 40_000, 'b/d.bin': 10, 'b.bin': 16_384, z: 1 };

  async function infoHashOf(torrent: string): Promise<string> {
    return (await readTorrentFile(torrent)).metainfo.infoHash;
  }

  test('mktorrent, for files and folders, public and private', async (t) => {
    if (!requireClient(t, 'mktorrent')) return;
    const folder = await folderOf({ ...agreed, Upper: 70_000, '.hidden': 5, empty: 0, 'b-c': 5 });
    for (const input of [folder, join(folder, 'a.bin')]) {
      for (const isPrivate of [false, true]) {
        const torrent = join(root, `mktorrent-${made++}.torrent`);
        const flags = ['-a', 'http://tracker.example/', '-l', '15', ...(isPrivate ? ['-p'] : [])];
        execFileSync('mktorrent', [...flags, '-o', torrent, input], { stdio: 'pipe' });
        const { metainfo } = await createTorrent(input, {
          pieceLength: 2 ** 15,
          ...(isPrivate ? { private: true } : {}),
        });
        assert.equal(metainfo.infoHash, await infoHashOf(torrent), `${input}, private ${isPrivate}`);
      }
    }
  });

  test('transmission-create, for files and folders, public and private', async (t) => {
    if (!requireClient(t, 'transmission-create')) return;
    const folder = await folderOf(agreed);
    for (const input of [folder, join(folder, 'a.bin')]) {
      for (const isPrivate of [false, true]) {
        const torrent = join(root, `transmission-${made++}.torrent`);
        const flags = ['-t', 'http://tracker.example/', '-s', '32', ...(isPrivate ? ['-p'] : [])];
        execFileSync('transmission-create', [...flags, '-o', torrent, input], { stdio: 'pipe' });
        const { metainfo } = await createTorrent(input, { pieceLength: 2 ** 15, private: isPrivate });
        assert.equal(metainfo.infoHash, await infoHashOf(torrent), `${input}, private ${isPrivate}`);
      }
    }
  });
});

describe('reading a torrent file', () => {
  test('refuses what is not there, is no file, or is too long to be read', async () => {
    await assert.rejects(readTorrentFile(join(root, 'nothing')), { code: 'INPUT_NOT_FOUND' });
    await assert.rejects(readTorrentFile(root), { code: 'INPUT_INVALID' });
    await assert.rejects(readTorrentFile('/dev/zero'), { code: 'INPUT_INVALID' });
    const pipe = join(root, 'torrent pipe');
    execFileSync('mkfifo', [pipe]);
    await assert.rejects(readTorrentFile(pipe), { code: 'INPUT_INVALID' });
    const huge = join(root, 'huge');
    execFileSync('truncate', ['-s', '10G', huge]);
    await assert.rejects(readTorrentFile(huge), { code: 'TORRENT_TOO_LARGE' });
    await writeFile(join(root, 'page'), '<html>');
    await assert.rejects(readTorrentFile(join(root, 'page')), { code: 'TORRENT_NOT_BENCODE' });
  });
});
