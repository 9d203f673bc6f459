/** The README's promises that a program can check: its library example, its exit codes, its commands. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EXIT } from '../cli/exit-codes.js';
import { createTorrent, Engine, parseTorrent, VERSION } from '../engine/index.js';
import { makeFolder } from '../fixtures/folder.js';
import { startTracker } from '../tracker/index.js';
import { projectRoot } from './support/root.js';

const execute = promisify(execFile);
const readme = await readFile(join(projectRoot, 'README.md'), 'utf8');

test('the library example downloads a torrent, reads it meanwhile, and ends', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'swarm-readme-'));
  const tracker = await startTracker({ http: { host: '127.0.0.1', port: 0 }, udp: null });
  const seed = await Engine.create({ listenHost: '127.0.0.1', stateDir: join(base, 'seed-state') });
  t.after(async () => {
    await Promise.all([seed.close(), tracker.close()]);
    await rm(base, { recursive: true, force: true });
  });
  const folder = await makeFolder(join(base, 'source'), 'film', 3_000_000);
  const announce = `http://127.0.0.1:${tracker.http!.port}/announce`;
  const { bytes, metainfo } = await createTorrent(folder, { trackers: [[announce]] });
  await seed.add(bytes, { out: join(base, 'source'), readOnly: true, assumeComplete: true }).completed;

  const user = join(base, 'user');
  await mkdir(join(user, 'node_modules'), { recursive: true });
  await symlink(projectRoot, join(user, 'node_modules', 'swarm'));
  await writeFile(join(user, 'film.torrent'), bytes);
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1];
  assert.ok(example !== undefined);
  await writeFile(join(user, 'example.mjs'), example);
  await execute(process.execPath, ['example.mjs'], {
    cwd: user,
    timeout: 30_000,
    env: { ...process.env, SWARM_STATE_DIR: join(base, 'user-state') },
  });
  for (const { diskPath } of metainfo.files) {
    const [copy, original] = await Promise.all(
      [join(user, 'downloads'), join(base, 'source')].map((root) => readFile(join(root, diskPath))),
    );
    assert.ok(copy!.equals(original!), diskPath);
  }
  assert.equal(parseTorrent(bytes).infoHash, metainfo.infoHash);
});

test('lists every exit code', () => {
  const listed = [...readme.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(listed, Object.values(EXIT));
});

test('the version is that of package.json', async () => {
  const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8'));
  assert.equal(VERSION, version);
});
