import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { asMillis } from '../../engine/units.js';
import { type PackedEndpoint, packEndpoint, packHost } from '../../tracker/addresses.js';
import { type PackedPeers, type StoreLimits, SwarmStore } from '../../tracker/swarm-store.js';

const LIMITS: StoreLimits = {
  maxTorrents: 100,
  maxPeers: 1000,
  maxPeersPerTorrent: 500,
  maxPeersPerPrefix: 400,
  maxPeersPerPrefixPerTorrent: 300,
  peerTimeoutMs: 1000,
};
const ID = 'i'.repeat(20);
const T0 = asMillis(0);

/** A small linear congruential generator: the tests must repeat. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const storeWith = (limits: Partial<StoreLimits> = {}) => new SwarmStore({ ...LIMITS, ...limits }, seeded(1));

function at(host: string, port = 1): PackedEndpoint {
  const packed = packHost(host);
  assert.ok(packed !== undefined);
  return packEndpoint(packed, port);
}

describe('bounds', () => {
  test('a prefix that filled its quota leaves room for others', () => {
    const store = storeWith({ maxPeersPerPrefix: 5 });
    for (let n = 0; n < 50; n++) store.put(`t${n % 10}`, at(`9.9.9.${n}`), ID, false, false, T0);
    assert.equal(store.stats.peers, 5);
    assert.equal(store.put('t1', at('9.9.8.1'), ID, false, false, T0), true);
    assert.equal(store.put('t1', at('9.9.9.0'), ID, false, false, T0), false, 'another /24 freed nothing');
  });

  test('an IPv6 /48 is one prefix', () => {
    const store = storeWith({ maxPeersPerPrefix: 5 });
    for (let n = 1; n < 50; n++) store.put('t', at(`2001:db8:7:${n}::1`), ID, false, false, T0);
    assert.equal(store.stats.peers, 5);
    assert.equal(store.put('t', at('2001:db8:8::1'), ID, false, false, T0), true);
  });

  test('one prefix cannot fill a swarm', () => {
    const store = storeWith({ maxPeersPerPrefixPerTorrent: 4 });
    for (let n = 0; n < 50; n++) store.put('t', at(`9.9.9.${n}`), ID, false, false, T0);
    assert.equal(store.counts('t').leechers, 4);
    assert.equal(store.put('t', at('8.8.8.8'), ID, false, false, T0), true);
    assert.equal(store.put('other', at('9.9.9.1'), ID, false, false, T0), true);
  });

  test('loopback and LAN have no prefix quota', () => {
    const store = storeWith({ maxPeersPerPrefix: 1, maxPeersPerPrefixPerTorrent: 1 });
    for (const host of [
      '127.0.0.1',
      '10.1.1.1',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.1.1',
      '::1',
      'fd00::1',
      'fe80::1',
    ])
      for (let port = 1; port <= 3; port++)
        assert.equal(store.put('t', at(host, port), ID, false, false, T0), true, host);
  });

  test('what expires or stops makes room', () => {
    const store = storeWith({ maxPeers: 2 });
    store.put('a', at('1.1.1.1'), ID, false, false, T0);
    store.put('b', at('2.2.2.2'), ID, false, false, T0);
    assert.equal(store.put('c', at('3.3.3.3'), ID, false, false, T0), false);
    store.remove('a', at('1.1.1.1'));
    assert.equal(store.put('c', at('3.3.3.3'), ID, false, false, T0), true);
    store.sweep(asMillis(1000), 10);
    assert.deepEqual(store.stats, { torrents: 0, peers: 0 });
  });

  test('a million announced info-hashes leave as many swarms as are allowed', () => {
    const store = storeWith({ maxTorrents: 1000, maxPeers: 1000 });
    const self = at('127.0.0.1');
    for (let n = 0; n < 1_000_000; n++) store.put(`torrent ${n}`, self, ID, false, false, T0);
    assert.deepEqual(store.stats, { torrents: 1000, peers: 1000 });
  });
});

describe('expiry', () => {
  test('a peer that announces again lives on, one that does not is neither counted nor given out', () => {
    const store = storeWith();
    store.put('t', at('1.1.1.1'), ID, false, false, T0);
    store.put('t', at('2.2.2.2'), ID, false, false, T0);
    store.put('t', at('1.1.1.1'), ID, false, false, asMillis(600));
    store.sweep(asMillis(1000), 10);
    assert.deepEqual(drawn(store, '3.3.3.3'), [at('1.1.1.1')]);
    assert.equal(store.counts('t').leechers, 1);
  });

  test('a sweep forgets at most its budget, the longest overdue first', () => {
    const store = storeWith();
    for (let n = 0; n < 100; n++) store.put(`t${n}`, at('127.0.0.1'), ID, false, false, asMillis(n));
    store.sweep(asMillis(1049), 10);
    assert.deepEqual(
      [store.stats, store.counts('t9').leechers, store.counts('t10').leechers],
      [{ torrents: 90, peers: 90 }, 0, 1],
    );
    store.sweep(asMillis(1049), 1000);
    assert.deepEqual(
      [store.stats, store.counts('t49').leechers, store.counts('t50').leechers],
      [{ torrents: 50, peers: 50 }, 0, 1],
    );
  });

  test('announces alone forget the overdue faster than they add', () => {
    const store = storeWith();
    for (let n = 0; n < 60; n++) store.put('old', at('127.0.0.1', 1 + n), ID, false, false, T0);
    for (let n = 0; n < 30; n++) store.put('young', at('127.0.0.1', 1 + n), ID, false, false, asMillis(2000));
    assert.deepEqual(store.stats, { torrents: 1, peers: 30 });
  });
});

describe('the sample', () => {
  test('is uniform: over many draws every peer comes up about equally often', () => {
    const store = storeWith();
    for (let n = 1; n <= 50; n++) store.put('t', at(`1.1.${n}.1`), ID, n % 5 === 0, false, T0);
    const seen = new Map<string, number>();
    const draws = 4000;
    for (let n = 0; n < draws; n++)
      for (const endpoint of drawn(store, '9.9.9.9')) seen.set(endpoint, (seen.get(endpoint) ?? 0) + 1);
    assert.equal(seen.size, 50);
    const expected = (draws * 10) / 50;
    for (const count of seen.values()) assert.ok(Math.abs(count - expected) < expected * 0.2, String(count));
  });

  test('keeps address families apart', () => {
    const store = storeWith();
    store.put('t', at('1.1.1.1'), ID, false, false, T0);
    store.put('t', at('2001:db8::1'), ID, false, false, T0);
    assert.deepEqual(drawn(store, '9.9.9.9'), [at('1.1.1.1')]);
    assert.deepEqual(drawn(store, '2001:db8::9'), [at('2001:db8::1')]);
    assert.deepEqual([store.counts('t').leechers, drawn(store, '::ffff:1.1.1.1')], [2, []]);
  });

  test('brings the latest id of each peer where ids are asked for', () => {
    const store = storeWith();
    store.put('t', at('1.1.1.1'), ID, false, false, T0);
    store.put('t', at('1.1.1.1'), 'j'.repeat(20), false, false, T0);
    assert.equal(store.sample('t', at('9.9.9.9'), false, 9, true).peerIds?.toString(), 'j'.repeat(20));
    assert.equal(store.sample('t', at('9.9.9.9'), false, 9, false).peerIds, null);
  });
});

/** At most 10 endpoints that a leecher at `host` is given. */
const drawn = (store: SwarmStore, host: string): PackedEndpoint[] =>
  unpack(store.sample('t', at(host), false, 10, false));

function unpack({ count, endpoints }: PackedPeers): PackedEndpoint[] {
  const bytes = endpoints.length / count;
  return Array.from({ length: count }, (_, n) => endpoints.toString('latin1', n * bytes, (n + 1) * bytes));
}

test('whatever happens in whatever order, the store agrees with a plain model', () => {
  const step = fc.record({
    what: fc.constantFrom('put', 'put', 'put', 'remove', 'sample'),
    torrent: fc.constantFrom('a', 'b', 'c'),
    peer: fc.integer({ min: 0, max: 11 }),
    seed: fc.boolean(),
    wait: fc.integer({ min: 0, max: 300 }),
  });
  const endpointOf = (peer: number) => (peer % 3 === 0 ? at(`2001:db8::${peer + 1}`) : at(`1.2.3.${peer}`));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), (steps, seed) => {
      const store = new SwarmStore({ ...LIMITS, maxPeersPerTorrent: 9, maxTorrents: 2 }, seeded(seed));
      const model = new Map<string, Map<PackedEndpoint, { seed: boolean; seenAt: number }>>();
      let now = 0;
      for (const { what, torrent, peer, seed: isSeed, wait } of steps) {
        now += wait;
        const self = endpointOf(peer);
        if (what === 'put' && store.put(torrent, self, ID, isSeed, false, asMillis(now))) {
          const swarm = model.get(torrent) ?? new Map();
          model.set(torrent, swarm.set(self, { seed: isSeed, seenAt: now }));
        } else if (what === 'remove') {
          store.remove(torrent, self);
          model.get(torrent)?.delete(self);
        }
        store.sweep(asMillis(now), 1000);
        for (const swarm of model.values())
          for (const [key, { seenAt }] of swarm) if (now - seenAt >= LIMITS.peerTimeoutMs) swarm.delete(key);

        const living = [...(model.get(torrent) ?? [])];
        const counts = store.counts(torrent);
        assert.equal(counts.seeds, living.filter(([, { seed: s }]) => s).length);
        assert.equal(counts.leechers, living.filter(([, { seed: s }]) => !s).length);
        const allowed = living.filter(
          ([key, other]) => key !== self && key.length === self.length && !(isSeed && other.seed),
        );
        const sample = store.sample(torrent, self, isSeed, 100, false);
        assert.deepEqual(unpack(sample).sort(), allowed.map(([key]) => key).sort());
        assert.ok(living.length <= 9 && store.stats.torrents <= 2);
      }
      store.sweep(asMillis(now + LIMITS.peerTimeoutMs), 1000);
      assert.deepEqual(store.stats, { torrents: 0, peers: 0 });
    }),
    { numRuns: 300 },
  );
});
