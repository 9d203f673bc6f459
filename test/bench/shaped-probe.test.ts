/** The probe, loaded before the real command: it tells what the swarm does, and changes nothing of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { PeerSample, PieceSample, Sample } from '../../bench/shaped/probe.js';
import { createTorrent, Engine } from '../../engine/index.js';
import { temporaryFolder } from '../support/cleanup.js';
import { buildRoot, plainCommandFile } from '../support/root.js';

test('the probe tells of every piece, and of what is asked of and by whom the command meets', async (t) => {
  const folder = await temporaryFolder(t);
  const content = join(folder, 'content.bin');
  await writeFile(content, Buffer.alloc(1_000_000, 'probe'));
  const { bytes, metainfo } = await createTorrent(content, { pieceLength: 65_536 });
  await writeFile(join(folder, 'content.torrent'), bytes);
  const seed = await Engine.create({ listenHost: '127.0.0.1', stateDir: join(folder, 'seed-state') });
  t.after(() => seed.close());
  await seed.add(bytes, { out: folder, readOnly: true }).completed;

  const out = join(folder, 'out');
  const args = ['get', join(folder, 'content.torrent'), '--out', out, '--listen', '127.0.0.1:0', '--json'];
  args.push('--peer', `127.0.0.1:${seed.snapshot().listen?.port}`, '--timeout', '20s');
  const command = spawn(
    process.execPath,
    ['--import', join(buildRoot, 'bench/shaped/probe.js'), plainCommandFile, ...args],
    { env: { ...process.env, SWARM_STATE_DIR: join(folder, 'state') }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [output, [code]] = await Promise.all([text(command.stdout), once(command, 'exit')]);
  assert.equal(code, 0, output);
  assert.deepEqual(await readFile(join(out, 'content.bin')), await readFile(content));
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample | PieceSample | PeerSample);
  const verified = lines.flatMap((line) => (line.type === 'verified' ? [line.piece] : []));
  assert.deepEqual(
    verified.sort((a, b) => a - b),
    Array.from({ length: metainfo.pieceCount }, (_, piece) => piece),
  );
});
