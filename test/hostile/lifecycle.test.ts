/** Lifecycle: torrents and engines that end in the middle of everything. Nothing crashes, hangs or stays open. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Battlefield, peerOf } from './battlefield.js';

const KIB = 1024;
const MIB = KIB * KIB;

test('adding and stopping a torrent a hundred times, at every stage, leaves nothing behind', {
  timeout: 60_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: MIB });
  const seed = await field.seed();
  const engine = await field.engine();
  const once = async (turns: number): Promise<void> => {
    const torrent = engine.add(field.torrentFile, { out: field.out(engine), peers: [peerOf(seed)] });
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    await torrent.stop();
  };
  for (let i = 0; i < 10; i++) await once(i * 4);
  const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
  const [fds, resources] = [await descriptors(), process.getActiveResourcesInfo().length];
  for (let i = 0; i < 90; i++) await once(i);
  assert.equal(engine.torrents.length, 0);
  assert.equal(engine.snapshot().halfOpenCount, 0);
  assert.equal(engine.snapshot().arena.usedBytes, 0);
  // Sockets of peers close a moment after they were destroyed.
  while (seed.snapshot().peerCount > 0) await new Promise(setImmediate);
  const [fdsAfter, resourcesAfter] = [await descriptors(), process.getActiveResourcesInfo().length];
  assert.ok(fdsAfter <= fds + 8, `${fds} descriptors, then ${fdsAfter}`);
  assert.ok(resourcesAfter <= resources + 8, `${resources} resources, then ${resourcesAfter}`);
});

test('an engine closes at any moment of a download', { timeout: 60_000 }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 2 * MIB });
  const seed = await field.seed();
  for (const turns of [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]) {
    const engine = await field.engine();
    const torrent = engine.add(field.torrentFile, {
      out: join(field.base, `at-${turns}`),
      peers: [peerOf(seed)],
    });
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    await engine.close();
    assert.ok(['stopped', 'failed'].includes(torrent.phase), torrent.phase);
    assert.throws(() => engine.add(field.torrentFile), { code: 'CLOSED' });
  }
});

test('two engines that download into one folder both end with the right bytes', {
  timeout: 60_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: 4 * MIB });
  const seed = await field.seed();
  const out = join(field.base, 'shared');
  const engines = [await field.engine(), await field.engine()];
  const torrents = engines.map((engine) => engine.add(field.torrentFile, { out, peers: [peerOf(seed)] }));
  await Promise.all(torrents.map(({ completed }) => completed));
  const path = field.metainfo.files[0]?.diskPath ?? '';
  assert.ok((await readFile(join(out, path))).equals(field.content));
});

test('resume data that somebody else put there is neither waited for nor written through', {
  timeout: 30_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: 256 * KIB });
  const seed = await field.seed();
  const stateDir = join(field.base, 'state');
  const out = join(field.base, 'out');
  const download = async (): Promise<Buffer> => {
    const engine = await field.engine({ stateDir });
    await engine.add(field.torrentFile, { out, peers: [peerOf(seed)] }).completed;
    await engine.close();
    return readFile(join(out, field.metainfo.files[0]?.diskPath ?? ''));
  };
  assert.ok((await download()).equals(field.content));
  const [name = ''] = await readdir(stateDir);
  const [resume, elsewhere] = [join(stateDir, name), join(field.base, 'elsewhere')];
  // A link to a file: neither followed nor written through.
  await writeFile(elsewhere, await readFile(resume));
  execFileSync('rm', [resume]);
  await symlink(elsewhere, resume);
  const before = await readFile(elsewhere);
  assert.ok((await download()).equals(field.content));
  assert.ok((await readFile(elsewhere)).equals(before), 'the file that the link named was changed');
  // A pipe: opening it must not wait for a writer.
  execFileSync('rm', [resume]);
  execFileSync('mkfifo', [resume]);
  assert.ok((await download()).equals(field.content));
  // A folder.
  execFileSync('rm', [resume]);
  await mkdir(resume);
  assert.ok((await download()).equals(field.content));
});
