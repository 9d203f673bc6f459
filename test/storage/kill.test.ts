import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { asPiece } from '../../engine/units.js';
import { allPieces, fetchPieces, makeFolder, makeStorage, makeTorrent } from './made-torrent.js';

const CHILD = fileURLToPath(new URL('./downloader-child.js', import.meta.url));
const KILLS = 8;

test('killed at random moments, it never believes a bad piece and never forgets one that it announced', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(65_536, [
    { path: 't/a', lengthBytes: 3_000_000 },
    { path: 't/b', lengthBytes: 100 },
    { path: 't/c', lengthBytes: 5_000_000 },
  ]);
  const announced = new Set<number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, [CHILD, folder, join(folder, 'state'), String(kill)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const patience = randomInt(1, 12);
    let verified = 0;
    for await (const line of createInterface(child.stdout)) {
      const [what, value = ''] = line.split(' ');
      assert.match(line, /^(have|verified|complete)/);
      if (what === 'have') {
        const have = Buffer.from(value, 'hex');
        for (const piece of announced) {
          assert.ok(((have[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0, `forgot piece ${piece}`);
        }
        // Some are killed before their first piece.
        if (patience === 1) child.kill('SIGKILL');
      } else if (what === 'verified') {
        announced.add(Number(value));
        if (++verified >= patience) child.kill('SIGKILL');
      } else child.kill('SIGKILL');
    }
    await exited;
  }

  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  assert.ok(announced.size > 0);
  for (const piece of allPieces(torrent)) {
    if (!opened.have.get(asPiece(piece))) {
      assert.ok(!announced.has(piece));
      continue;
    }
    const offset = piece * 65_536;
    const expected = torrent.bytes.subarray(offset, offset + 65_536);
    assert.ok(expected.equals(await opened.readRange(offset, expected.length)), `piece ${piece}`);
  }
  const missing = allPieces(torrent).filter((piece) => !opened.have.get(asPiece(piece)));
  await fetchPieces(opened.store, torrent, missing);
  assert.ok(torrent.bytes.equals(await opened.readRange(0, torrent.bytes.length)));
});
