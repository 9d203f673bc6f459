import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SwarmError } from '../../engine/errors.js';
import { FileClaims } from '../../engine/file-claims.js';

async function workspace(t: TestContext): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'swarm-claims-'));
  t.after(() => rm(base, { recursive: true, force: true }));
  return base;
}

/** Claims in turn; the names of those refused, with the file. */
function refused(
  claims: readonly [folder: string, diskPaths: readonly string[], writes?: boolean][],
): string[] {
  const files = new FileClaims();
  return claims.flatMap(([folder, diskPaths, writes = true], i) => {
    try {
      files.take({ infoHash: `torrent ${i}`, folder, diskPaths, writes });
      return [];
    } catch (error) {
      assert.ok(error instanceof SwarmError && error.code === 'STORAGE_IN_USE');
      assert.ok(error.message.includes(String(error.details.path)));
      return [`${i}: ${error.details.path} of ${error.details.other}`];
    }
  });
}

test('refuses a file that another torrent has, naming both', async (t) => {
  const base = await workspace(t);
  assert.deepEqual(
    refused([
      [base, ['show/1.mkv', 'show/2.mkv']],
      [base, ['show/3.mkv', 'show/4.mkv']],
      [base, ['show/0.mkv', 'show/2.mkv']],
      [join(base, 'other'), ['show/2.mkv']],
    ]),
    [`2: ${join(base, 'show/2.mkv')} of torrent 0`],
  );
});

test('knows a file by its real place: through links, from other folders, before the folder exists', async (t) => {
  const base = await workspace(t);
  await mkdir(join(base, 'real'));
  await symlink(join(base, 'real'), join(base, 'link'));
  const file = join(base, 'real', 'new', 'a', 'b');
  for (const [folder, path] of [
    [join(base, 'link'), 'new/a/b'],
    [join(base, 'link', 'new'), 'a/b'],
    [join(base, 'real', 'new', 'a'), 'b'],
    [join(base, 'x', '..', 'real'), 'new/a/b'],
  ] as const)
    assert.deepEqual(
      refused([
        [join(base, 'real'), ['new/a/b']],
        [folder, [path]],
      ]),
      [`1: ${file} of torrent 0`],
    );
  assert.deepEqual(
    refused([
      ['/', [file.slice(1)]],
      [join(base, 'real', 'new'), ['a/b']],
    ]),
    [`1: ${file} of torrent 0`],
  );
});

test('lets any number serve a file, and nobody write it meanwhile', async (t) => {
  const base = await workspace(t);
  const file = join(base, 'a');
  assert.deepEqual(
    refused([
      [base, ['a'], false],
      [base, ['a'], false],
      [base, ['a'], true],
    ]),
    [`2: ${file} of torrent 0`],
  );
  assert.deepEqual(
    refused([
      [base, ['a'], true],
      [base, ['a'], false],
    ]),
    [`1: ${file} of torrent 0`],
  );
});

test('a name that begins like another is another, and what was released or refused is free', async (t) => {
  const base = await workspace(t);
  assert.deepEqual(
    refused([
      [base, ['a']],
      [base, ['ab/c']],
      [base, ['ab c', 'a2']],
    ]),
    [],
  );
  const files = new FileClaims();
  const claim = (infoHash: string, ...diskPaths: string[]) =>
    files.take({ infoHash, folder: base, diskPaths, writes: true });
  claim('first', 'a');
  assert.throws(() => claim('second', 'b', 'a'), { code: 'STORAGE_IN_USE' });
  claim('third', 'b');
  files.release('first');
  claim('second', 'a');
});
