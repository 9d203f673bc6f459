/** Exhaustion: crowds that take memory, seats or time. The engine's memory stays bounded and honest peers are served. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { MESSAGE } from '../../engine/wire/messages.js';
import { frame } from '../wire/harness.js';
import type { Attacker } from './attacker.js';
import { requestsFor } from './attacker.js';
import { Battlefield } from './battlefield.js';
import { Victim } from './victim.js';

const KIB = 1024;
const MIB = KIB * KIB;
const CROWD = 200;

/** A seed in its own process with seats for a crowd and for an honest leecher. */
async function seedVictim(field: Battlefield): Promise<Victim> {
  const add = { out: join(field.base, 'source'), readOnly: true, assumeComplete: true };
  return Victim.start(field, add, { maxPeers: CROWD + 50, maxPeersPerTorrent: CROWD + 50 });
}

async function honestDownload(field: Battlefield, victim: Victim): Promise<void> {
  const { engine, torrent } = await field.leech({ peers: [victim.address] });
  await torrent.completed;
  await field.assertDownloaded(engine);
  await engine.close();
}

const endAll = (attackers: readonly Attacker[]): void => {
  for (const attacker of attackers) attacker.end();
};

test('200 peers that ask for everything and never read take little memory', {
  timeout: 60_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: 32 * MIB, pieceLength: 256 * KIB });
  const victim = await seedVictim(field);
  await honestDownload(field, victim);
  const before = await victim.memory();
  const crowd = await victim.attackers(CROWD, { fast: false });
  const requests = Buffer.concat(
    Array.from({ length: 128 }, (_, piece) => requestsFor(piece, field.metainfo.pieceLength)),
  );
  for (const attacker of crowd) {
    attacker.socket.pause();
    attacker.send(frame(MESSAGE.interested));
  }
  let after = await victim.memory();
  while (after.unchoked < 3) after = await victim.memory();
  for (let times = 0; times < 8; times++) {
    for (const attacker of crowd) attacker.send(requests);
    after = await victim.memory();
  }
  const grown = Math.round((after.rssBytes - before.rssBytes) / MIB);
  t.diagnostic(`${grown} MiB more with ${after.peers} peers`);
  assert.ok(after.peers >= CROWD, `${after.peers} peers`);
  assert.ok(grown < 120, `${grown} MiB more`);
  endAll(crowd);
});

test('200 peers that each hold back the end of a 128 KiB message', { timeout: 120_000 }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 8 * MIB, pieceLength: 256 * KIB });
  const victim = await seedVictim(field);
  await honestDownload(field, victim);
  const before = await victim.memory();
  const crowd = await victim.attackers(CROWD);
  const partial = frame(MESSAGE.piece, [0, 0], Buffer.alloc(128 * KIB)).subarray(0, -1);
  for (const attacker of crowd) attacker.send(partial);
  await honestDownload(field, victim);
  const { rssBytes, peers } = await victim.memory();
  const grown = Math.round((rssBytes - before.rssBytes) / MIB);
  t.diagnostic(`${grown} MiB more with ${peers} peers`);
  assert.ok(peers >= CROWD, `${peers} peers`);
  assert.ok(grown < 120, `${grown} MiB more`);
  endAll(crowd);
});
