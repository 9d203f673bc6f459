/** The DHT as programs use it, between two engines. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { type Dht, signItem } from '../../engine/index.js';
import { cleanUpOf } from '../support/cleanup.js';
import { loopback } from '../support/namespaces.js';
import { until } from '../support/real-clients.js';
import { startEngine } from '../support/swarm-engine.js';

const VALUE = Buffer.from('5:hello');

test('items that one engine puts into the DHT another gets, and nobody else can change signed ones', async (t) => {
  const scope = cleanUpOf(t);
  const first = await startEngine(scope, loopback.near, { dht: true, dhtBootstrap: [] });
  await first.openDht();
  const dhtBootstrap = [{ host: '127.0.0.1', port: first.snapshot().dht?.port4 ?? 0 }];
  const others = await Promise.all(
    [1, 2].map(() => startEngine(scope, loopback.near, { dht: true, dhtBootstrap })),
  );
  const [here, there] = (await Promise.all(others.map((engine) => engine.openDht()))) as [Dht, Dht];
  await until('all know each other', () =>
    [first, ...others].every((engine) => (engine.snapshot().dht?.nodes4 ?? 0) === 2),
  );

  assert.ok((await here.putImmutable(VALUE)) > 0);
  assert.deepEqual(await there.getImmutable(createHash('sha1').update(VALUE).digest()), VALUE);

  const keys = generateKeyPairSync('ed25519');
  const signed = signItem(keys.privateKey, VALUE, 1n);
  assert.ok((await here.putMutable(VALUE, signed)) > 0);
  const found = await there.getMutable(signed.publicKey);
  assert.deepEqual(found?.value, VALUE);
  assert.equal(found?.signed?.sequence, 1n);
  const forged = {
    ...signItem(generateKeyPairSync('ed25519').privateKey, VALUE, 2n),
    publicKey: signed.publicKey,
  };
  await here.putMutable(VALUE, forged);
  assert.equal((await there.getMutable(signed.publicKey))?.signed?.sequence, 1n);

  assert.equal(await there.scrape(Buffer.alloc(20, 7)), null);
});

test('there is none where it is off, or the engine closed', async (t) => {
  const engine = await startEngine(cleanUpOf(t), loopback.near, { dht: false });
  assert.equal(await engine.openDht(), undefined);
  const other = await startEngine(cleanUpOf(t), loopback.near, { dht: true, dhtBootstrap: [] });
  await other.close();
  assert.equal(await other.openDht(), undefined);
});
