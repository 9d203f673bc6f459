/** `swarm get` where all others lack one piece: whoever gets it and leaves at once strands them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, type TestContext, test } from 'node:test';
import { BLOCK_BYTES } from '../../engine/units.js';
import { MESSAGE } from '../../engine/wire/messages.js';
import { Attacker } from '../hostile/attacker.js';
import { summaryIn } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';
import { freePort } from '../support/free-port.js';
import { frame } from '../wire/harness.js';

const ALL_BUT_FIRST = 0b0111_0000;

/** `swarm get` of four pieces becomes complete, connected to so many that lack the first. */
async function complete(t: TestContext, others: number, ...options: string[]) {
  const lab = await CommandLab.create(t);
  const film = await lab.file('film', 4 * BLOCK_BYTES);
  const content = await readFile(film.source);
  const { infoHash } = film.metainfo;
  const port = await freePort();
  const get = lab.start(['get', film.file, '--listen', `127.0.0.1:${port}`, '--json', ...options]);
  await get.event('checked');
  const peers: Attacker[] = [];
  lab.after(() => {
    for (const peer of peers) peer.end();
  });
  const connect = async () => {
    const peer = await Attacker.to(port, infoHash);
    peers.push(peer);
    await peer.shaken;
    return peer;
  };
  const stranded: Attacker[] = [];
  while (stranded.length < others) {
    const peer = await connect();
    await peer.send(frame(MESSAGE.bitfield, [], Buffer.of(ALL_BUT_FIRST))).received(MESSAGE.interested);
    stranded.push(peer);
  }
  const seed = await connect();
  seed.answer((piece, begin, length) => content.subarray(piece * BLOCK_BYTES + begin).subarray(0, length));
  seed.pretendSeed();
  await get.event('complete');
  return { get, stranded };
}

async function take(peer: Attacker): Promise<void> {
  await peer.send(frame(MESSAGE.interested)).received(MESSAGE.unchoke);
  await peer.send(frame(MESSAGE.request, [0, 0, BLOCK_BYTES])).received(MESSAGE.piece);
}

describe('swarm get, complete, where all others lack a piece', { concurrency: 4, timeout: 60_000 }, () => {
  test('stays until it has given two pieces, and says so', async (t) => {
    const { get, stranded } = await complete(t, 12);
    await get.said(/the others lack a piece .*\n.* 30 s at most; Ctrl-C leaves at once/);
    for (const peer of stranded.slice(0, 2)) {
      assert.equal(get.child.exitCode, null);
      await take(peer);
    }
    const { code, stdout } = await get.ended;
    assert.deepEqual([code, summaryIn(stdout).uploadedBytes], [0, 2 * BLOCK_BYTES]);
  });

  test('leaves when it is interrupted: what it came for is there', async (t) => {
    const { get } = await complete(t, 12);
    await get.said(/Ctrl-C leaves at once/);
    get.child.kill('SIGINT');
    assert.equal((await get.ended).code, 0);
  });

  test('leaves at once where few wait, or when told to with --seed-time', async (t) => {
    for (const { get } of [await complete(t, 9), await complete(t, 12, '--seed-time', '0s')]) {
      const { code, stderr } = await get.ended;
      assert.equal(code, 0);
      assert.doesNotMatch(stderr, /the others lack/);
    }
  });
});
