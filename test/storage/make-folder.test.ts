import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeFolder } from '../../engine/storage/make-folder.js';

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'swarm-folder-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('makes a folder and those above it, and takes one that is there', async (t) => {
  const path = join(await emptyFolder(t), 'a', 'b', 'c');
  await makeFolder(path, 0o700);
  await makeFolder(path, 0o700);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
});

test('fails below a file, and on one', async (t) => {
  const file = join(await emptyFolder(t), 'file');
  await writeFile(file, '');
  await assert.rejects(makeFolder(file), { code: 'EEXIST' });
  await assert.rejects(makeFolder(join(file, 'below', 'it')), { code: 'ENOTDIR' });
});

test('fails, rather than trying for ever, where no folder can be made', async (t) => {
  if (!existsSync('/proc/self')) return t.skip('/proc');
  await assert.rejects(makeFolder('/proc/no/such/folder'), { code: 'ENOENT' });
});
