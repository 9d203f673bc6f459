import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { BloomFilter } from '../../../engine/discovery/dht/bloom-filter.js';
import { readSavedOverlay, saveOverlay } from '../../../engine/discovery/dht/dht-state.js';
import { ExternalAddress } from '../../../engine/discovery/dht/external-address.js';
import { ItemStore, targetOf } from '../../../engine/discovery/dht/item-store.js';
import { immutableTarget, isSigned, mutableTarget, signItem } from '../../../engine/discovery/dht/items.js';
import { ERROR, type Query } from '../../../engine/discovery/dht/krpc.js';
import { networkOf } from '../../../engine/discovery/dht/node-address.js';
import { PeerStore } from '../../../engine/discovery/dht/peer-store.js';
import { QueryLimits } from '../../../engine/discovery/dht/query-limits.js';
import { WriteTokens } from '../../../engine/discovery/dht/write-tokens.js';
import { asMillis } from '../../../engine/units.js';

const MINUTE = 60_000;
const NOW = asMillis(0);
const OWN = new Uint8Array(20);
const HASH = randomBytes(20);
const rng = Math.random;
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

describe('write tokens', () => {
  test('one is good for its host and target, for five to ten minutes', () => {
    const tokens = new WriteTokens(NOW, randomBytes);
    const token = tokens.make('8.8.8.8', HASH, NOW);
    assert.equal(tokens.isValid(token, '8.8.8.8', HASH, NOW), true);
    assert.equal(tokens.isValid(token, '8.8.8.9', HASH, NOW), false, 'replayed by another host');
    assert.equal(tokens.isValid(token, '8.8.8.8', randomBytes(20), NOW), false, 'for another target');
    assert.equal(tokens.isValid(token, '8.8.8.8', HASH, asMillis(5 * MINUTE)), true);
    assert.equal(tokens.isValid(token, '8.8.8.8', HASH, asMillis(10 * MINUTE)), false);
    assert.equal(tokens.isValid(randomBytes(8), '8.8.8.8', HASH, NOW), false);
    assert.equal(tokens.isValid(new Uint8Array(0), '8.8.8.8', HASH, NOW), false);
  });

  test('after a long silence none of before is good', () => {
    const tokens = new WriteTokens(NOW, randomBytes);
    const token = tokens.make('8.8.8.8', HASH, NOW);
    assert.equal(tokens.isValid(token, '8.8.8.8', HASH, asMillis(60 * MINUTE)), false);
  });
});

describe('announced peers', () => {
  const peer = (n: number, port = 6881) => ({ host: `8.${n >> 8}.${n & 255}.1`, port });

  test('one an address: a later announce says what it is now', () => {
    const store = new PeerStore();
    store.announce(HASH, peer(1), false, OWN, NOW);
    store.announce(HASH, peer(1), true, OWN, NOW);
    assert.deepEqual(store.sample(HASH, 10, false, NOW, rng), [peer(1)]);
    assert.equal(store.peers, 1);
    assert.deepEqual(store.sample(HASH, 10, true, NOW, rng), [], 'it is a seed now');
  });

  test('a host has the four ports that it announced last, one of our own network more', () => {
    const store = new PeerStore();
    const portsOf = (host: string) => {
      for (const port of [1, 2, 3, 1, 4, 5]) store.announce(HASH, { host, port }, false, OWN, NOW);
      const here = store.sample(HASH, 50, false, NOW, rng).filter((each) => each.host === host);
      return here.map(({ port }) => port).sort();
    };
    assert.deepEqual(portsOf('8.8.8.8'), [1, 3, 4, 5]);
    assert.equal(store.peers, 4);
    assert.deepEqual(portsOf('192.168.1.7'), [1, 2, 3, 4, 5]);
  });

  test('forgotten after 45 minutes', () => {
    const store = new PeerStore();
    store.announce(HASH, peer(1), false, OWN, NOW);
    assert.equal(store.sample(HASH, 10, false, asMillis(44 * MINUTE), rng).length, 1);
    assert.equal(store.sample(HASH, 10, false, asMillis(45 * MINUTE), rng).length, 0);
    store.sweep(asMillis(45 * MINUTE));
    assert.deepEqual([store.infoHashes, store.peers], [0, 0]);
  });

  test('a sample is a random choice without repetition', () => {
    const store = new PeerStore();
    for (let n = 0; n < 100; n++) store.announce(HASH, peer(n), false, OWN, NOW);
    const seen = new Set<string>();
    for (let round = 0; round < 100; round++) {
      const sample = store.sample(HASH, 10, false, NOW, rng);
      assert.equal(new Set(sample.map(({ host }) => host)).size, 10);
      for (const { host } of sample) seen.add(host);
    }
    assert.equal(seen.size, 100);
  });

  test('one /24 leaves at most 16 peers of an info-hash and opens at most 100 info-hashes', () => {
    const store = new PeerStore();
    for (let n = 0; n < 250; n++) store.announce(HASH, { host: `8.8.8.${n}`, port: 1 }, false, OWN, NOW);
    assert.equal(store.peers, 16);
    for (let n = 0; n < 1_000; n++)
      store.announce(randomBytes(20), { host: '9.9.9.9', port: 1 }, false, OWN, NOW);
    assert.equal(store.infoHashes, 101);
  });

  test('a flood of info-hashes from everywhere is bounded, and those close to us stay', () => {
    const store = new PeerStore();
    const near = Uint8Array.from(OWN);
    near[19] = 1;
    store.announce(near, peer(0), false, OWN, NOW);
    for (let n = 0; n < 20_000; n++) store.announce(randomBytes(20), peer(n), false, OWN, NOW);
    assert.equal(store.infoHashes, 2_000);
    assert.equal(store.sample(near, 1, false, NOW, rng).length, 1);
  });

  test('a thousand peers of one info-hash, then the oldest goes', () => {
    const store = new PeerStore();
    for (let n = 0; n < 1_500; n++) store.announce(HASH, peer(n), false, OWN, NOW);
    assert.equal(store.peers, 1_000);
  });
});

describe('bloom filters', () => {
  test("BEP 33's test vector", () => {
    const filter = new BloomFilter();
    for (let n = 0; n <= 255; n++) filter.add(`192.0.2.${n}`);
    for (let n = 0; n <= 0x3e7; n++) filter.add(`2001:db8::${n.toString(16)}`);
    const start = 'F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAE';
    const end = 'ADFEE1FB737FFFFBFD9F6AEFFEEE76B6FD8F72EF';
    const bits = Buffer.from(filter.bytes).toString('hex').toUpperCase();
    assert.ok(bits.startsWith(start) && bits.endsWith(end), bits);
    assert.ok(Math.abs(filter.estimate() - 1_224.9308) < 0.001);
  });

  test('an empty one counts nobody, a full one is finite, a union counts each host once', () => {
    const [a, b] = [new BloomFilter(), new BloomFilter()];
    assert.equal(a.estimate(), 0);
    for (let n = 0; n < 50; n++) (n < 40 ? a : b).add(`8.8.8.${n}`);
    for (let n = 0; n < 20; n++) b.add(`8.8.8.${n}`);
    a.union(b.bytes);
    assert.ok(Math.abs(a.estimate() - 50) < 4);
    a.union(new Uint8Array(256).fill(255));
    assert.ok(Number.isFinite(a.estimate()));
  });
});

describe('items (BEP 44)', () => {
  const value = Buffer.from('12:Hello World!');
  const publicKey = hex('77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548');

  test("the BEP's test vectors", () => {
    assert.equal(
      Buffer.from(immutableTarget(value)).toString('hex'),
      'e5f96f6f38320f0f33959cb4d3d656452117aadb',
    );
    assert.equal(
      Buffer.from(mutableTarget(publicKey)).toString('hex'),
      '4a533d47ec9c7d95b1ad75f576cffc641853b750',
    );
    const salt = Buffer.from('foobar');
    assert.equal(
      Buffer.from(mutableTarget(publicKey, salt)).toString('hex'),
      '411eba73b6f087ca51a3795d9c8c938d365e32c1',
    );
    const plain = hex(
      '305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01',
    );
    const salted = hex(
      '6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17ddf9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08',
    );
    assert.equal(isSigned(value, { publicKey, signature: plain, sequence: 1n }), true);
    assert.equal(isSigned(value, { publicKey, signature: salted, sequence: 1n }, salt), true);
    assert.equal(isSigned(value, { publicKey, signature: plain, sequence: 2n }), false);
    assert.equal(isSigned(value, { publicKey, signature: plain, sequence: 1n }, salt), false);
    assert.equal(
      isSigned(value, { publicKey: new Uint8Array(32).fill(255), signature: plain, sequence: 1n }),
      false,
    );
  });

  const { privateKey } = generateKeyPairSync('ed25519');
  type Put = Extract<Query, { method: 'put' }>;
  const put = (sequence: bigint, text: string, more: Partial<Put> = {}): Put => {
    const made = Buffer.from(`${text.length}:${text}`);
    const salt = more.salt;
    return {
      method: 'put',
      token: HASH,
      value: made,
      signed: signItem(privateKey, made, sequence, salt),
      ...more,
    };
  };
  const store = (items: ItemStore, query: Put, host = '8.8.8.8', now = NOW) =>
    items.put(query, targetOf(query), host, OWN, now);

  test('a higher sequence number replaces, a lower one or another value under the same does not', () => {
    const items = new ItemStore();
    assert.equal(store(items, put(5n, 'five')), undefined);
    assert.equal(store(items, put(4n, 'four')), ERROR.oldSequence);
    assert.equal(store(items, put(5n, 'other')), ERROR.oldSequence);
    assert.equal(store(items, put(5n, 'five')), undefined, 'the same again refreshes it');
    assert.equal(store(items, put(6n, 'six')), undefined);
    const target = targetOf(put(6n, 'six'));
    assert.equal(Buffer.from(items.get(target, NOW)?.value ?? '').toString(), '3:six');
  });

  test('compare and swap, forged signatures, and what is too large', () => {
    const items = new ItemStore();
    store(items, put(1n, 'one'));
    assert.equal(store(items, put(2n, 'two', { cas: 7n })), ERROR.casMismatch);
    assert.equal(store(items, put(2n, 'two', { cas: 1n })), undefined);
    const forged = put(3n, 'three');
    assert.equal(store(items, { ...forged, value: Buffer.from('3:bad') }), ERROR.badSignature);
    assert.equal(store(items, { method: 'put', token: HASH, value: new Uint8Array(1_001) }), ERROR.tooBig);
    assert.equal(store(items, put(4n, 'four', { salt: new Uint8Array(65) })), ERROR.saltTooBig);
  });

  test('kept for two hours; one network opens at most 25', () => {
    const items = new ItemStore();
    for (let n = 0; n < 100; n++)
      store(items, { method: 'put', token: HASH, value: Buffer.from(`i${n}e`) }, `8.8.8.${n}`);
    assert.equal(items.size, 25);
    assert.equal(items.get(immutableTarget(Buffer.from('i1e')), asMillis(120 * MINUTE - 1))?.value.length, 3);
    assert.equal(items.get(immutableTarget(Buffer.from('i1e')), asMillis(120 * MINUTE)), undefined);
    items.sweep(asMillis(120 * MINUTE));
    assert.equal(items.size, 0);
  });

  test('an item that we sign is verified with the key that we give', () => {
    const signed = signItem(privateKey, value, 9n);
    const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    assert.deepEqual(Buffer.from(signed.publicKey), der.subarray(-32));
    assert.equal(isSigned(value, signed), true);
  });
});

describe('limits on queries', () => {
  const outside = networkOf('8.8.8.8');
  assert.ok(outside);

  test('a network gets its burst, then its rate; others are not touched', () => {
    const limits = new QueryLimits(NOW);
    const count = (now: number, host: string) => {
      const network = networkOf(host);
      let admitted = 0;
      for (let n = 0; n < 1_000; n++) if (network && limits.admit(network, host, asMillis(now))) admitted++;
      return admitted;
    };
    assert.equal(count(0, '8.8.8.8'), 80);
    assert.equal(count(0, '8.8.8.9'), 0, 'the same /24');
    assert.equal(count(0, '8.8.9.9'), 80);
    assert.equal(count(1_000, '8.8.8.8'), 20);
  });

  test('forged addresses from everywhere meet the limit over all', () => {
    const limits = new QueryLimits(NOW);
    let admitted = 0;
    for (let n = 0; n < 20_000; n++) {
      const network = networkOf(`8.${n >> 8}.${n & 255}.1`);
      if (network && limits.admit(network, '', NOW)) admitted++;
    }
    assert.equal(admitted, 1_600);
  });
});

test('our address is believed when four networks agree, and no single one can move it', () => {
  const external = new ExternalAddress();
  const voter = (host: string) => networkOf(host) ?? assert.fail();
  for (let n = 0; n < 50; n++) assert.equal(external.onVote(voter(`8.8.8.${n}`), '1.1.1.1'), undefined);
  for (const host of ['9.1.1.1', '9.1.2.1', '9.1.3.1'])
    assert.equal(external.onVote(voter(host), '2.2.2.2'), undefined);
  assert.equal(external.onVote(voter('9.1.4.1'), '2.2.2.2'), '2.2.2.2');
  assert.equal(external.onVote(voter('192.168.1.1'), '10.0.0.1'), undefined);
  assert.equal(external.host, '2.2.2.2');
});

describe('saved state', () => {
  test('is read as it was saved', () => {
    const nodes = [{ id: randomBytes(20), host: '8.8.8.8', port: 1 }];
    const saved = JSON.parse(JSON.stringify({ version: 1, v4: saveOverlay(HASH, nodes, 1_234.5) }));
    const read = readSavedOverlay(saved, 4);
    assert.deepEqual(Buffer.from(read?.id ?? ''), HASH);
    assert.equal(read?.networkSize, 1_235);
    assert.equal(read?.nodes[0]?.host, '8.8.8.8');
    assert.equal(readSavedOverlay(saved, 6), undefined);
  });

  for (const odd of [
    undefined,
    null,
    7,
    'x',
    [],
    {},
    { version: 2 },
    { version: 1, v4: { id: 'zz', nodes: [] } },
  ])
    test(`${JSON.stringify(odd)} is no state`, () => assert.equal(readSavedOverlay(odd, 4), undefined));

  test('single nodes that cannot be are left out', () => {
    const id = '00'.repeat(20);
    const nodes = [
      [id, '8.8.8.8', 0],
      [id, 'name', 1],
      [id, '::1', 1],
      [1, '8.8.8.8', 1],
      null,
      [id, '0.0.0.0', 1],
      [id, '9.9.9.9', 5],
    ];
    assert.equal(readSavedOverlay({ version: 1, v4: { id, nodes } }, 4)?.nodes.length, 1);
  });
});
