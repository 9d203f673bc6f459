/**
 * Kill -9 at any moment: `swarm get` is killed 50 times in the course of one download and started again with the
 * same arguments. What is on disk is right in the end, and little of it was fetched twice.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Torrent } from '../../engine/index.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import type { RunningClient } from '../support/clients.js';
import { sha256, writeContent } from '../support/content.js';
import { Exchange } from '../support/exchange.js';
import { loopback } from '../support/namespaces.js';
import { startSwarm, succeeded } from '../support/swarm-command.js';
import { startEngine } from '../support/swarm-engine.js';

const KILLS = 50;
const PIECE_LENGTH = 256 * 1024;
const CONTENT_BYTES = 48 * 1024 * 1024 + 1;
/**
 * So that the kills fit into one download. The seeder counts what it has put into the sockets, a quarter of a
 * second's worth at once; that has to be little beside the limit, for nobody can save it.
 */
const SEED_BYTES_PER_SECOND = 1.5 * 1024 * 1024;
/** One kill in so many comes while the program starts, the others while it downloads. */
const EARLY_ONE_IN = 5;
const MAX_START_MS = 300;
const MAX_DOWNLOAD_MS = 500;
const MAX_REFETCHED_BYTES_PER_KILL = 1024 * 1024;

/** What was sent and what became of it, from one start that told its state to the next. */
class Ledger {
  readonly refetched: number[] = [];
  #sentBytes = 0;
  #haveBytes = 0;
  #kills = 0;

  onKill(): void {
    this.#kills++;
  }

  /** The program has started and tells what it has; the seeder, what it has sent. */
  onChecked(haveBytes: number, sentBytes: number): void {
    assert.ok(haveBytes >= this.#haveBytes, `had ${this.#haveBytes} bytes, has ${haveBytes} after a kill`);
    const lost = sentBytes - this.#sentBytes - (haveBytes - this.#haveBytes);
    if (this.#kills > 0) this.refetched.push(lost / this.#kills);
    this.#kills = 0;
    this.#sentBytes = sentBytes;
    this.#haveBytes = haveBytes;
  }
}

test('a download killed at 50 random moments ends right, with at most 1 MiB fetched again per kill', async (t) => {
  const seed = Number(process.env.SWARM_KILL_SEED ?? randomInt(2 ** 31));
  t.diagnostic(`SWARM_KILL_SEED=${seed}`);
  const random = randomOf(seed);
  const scope = cleanUpOf(t);
  const made = await Exchange.create(scope, PIECE_LENGTH, {
    'content.bin': (path) => writeContent(path, CONTENT_BYTES, 'kill'),
  });
  const { file } = await made.torrentOf('content.bin');
  const engine = await startEngine(scope, loopback.near, { uploadBytesPerSecond: SEED_BYTES_PER_SECOND });
  const seeder = engine.add(await readFile(file), { out: made.source, readOnly: true, assumeComplete: true });
  const peer = `${engine.listen?.host}:${engine.listen?.port}`;
  const received = await made.receiver();
  const state = await temporaryFolder(scope);
  const start = () =>
    startSwarm(scope, loopback.near, state, ['get', file, '--out', received, '--peer', peer, '--json']);

  const ledger = new Ledger();
  for (let kill = 0; kill < KILLS; kill++) {
    const client = start();
    if (random() * EARLY_ONE_IN < 1) await delay(random() * MAX_START_MS);
    else {
      ledger.onChecked(await haveBytesOf(client), sentBytesOf(seeder));
      await delay(random() * MAX_DOWNLOAD_MS);
    }
    assert.equal(client.process.exitCode, null, `it ended before kill ${kill}:\n${client.output()}`);
    client.process.kill('SIGKILL');
    await once(client.process, 'exit');
    ledger.onKill();
  }
  const client = start();
  const ended = succeeded(client);
  ledger.onChecked(await haveBytesOf(client), sentBytesOf(seeder));
  await ended;

  const worst = Math.max(...ledger.refetched);
  const mean = ledger.refetched.reduce((sum, bytes) => sum + bytes, 0) / ledger.refetched.length;
  t.diagnostic(
    `fetched again per kill: mean ${Math.round(mean / 1024)} KiB, worst ${Math.round(worst / 1024)} KiB`,
  );
  assert.equal(await sha256(join(received, 'content.bin')), await sha256(join(made.source, 'content.bin')));
  assert.ok(worst <= MAX_REFETCHED_BYTES_PER_KILL, `${worst} bytes were fetched again after one kill`);
});

/** What it says it has, once it has looked. */
async function haveBytesOf(client: RunningClient): Promise<number> {
  const [, haveBytes] = await client.printed(/"type":"checked","haveBytes":(\d+)/);
  return Number(haveBytes);
}

const sentBytesOf = (seeder: Torrent): number => seeder.transferred.uploadedBytes;

/** Mulberry32: a small generator whose whole state is its seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
