import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCompactPeers4, parseCompactPeers6 } from '../../engine/discovery/compact-peers.js';
import { asMillis } from '../../engine/units.js';
import { isLocalHost, packHost, packSource, quotaPrefix } from '../../tracker/addresses.js';
import { AnnounceService } from '../../tracker/announce.js';
import { resolveTrackerOptions } from '../../tracker/options.js';
import { RateBuckets } from '../../tracker/rate-buckets.js';
import { SwarmStore } from '../../tracker/swarm-store.js';

const NOW = asMillis(0);
const packed = (host: string): string => packHost(host) ?? assert.fail(host);

/** The one host that a second client is told of after `source` announced `ip=claimed`. */
function announcedAs(source: string, claimed: string, observer: string): string[] {
  const options = resolveTrackerOptions({});
  const service = new AnnounceService(new SwarmStore(options.store, () => 0.5), options, () => 0.5);
  const common = {
    infoHash: 'h'.repeat(20),
    peerId: 'p'.repeat(20),
    seed: false,
    event: 'none',
    numWant: 9,
    maxPeers: 9,
    withPeerIds: false,
  } as const;
  service.announce({ ...common, source: packed(source), claimedHost: packHost(claimed), port: 1 }, NOW);
  const answer = service.announce(
    { ...common, source: packed(observer), claimedHost: undefined, port: 2 },
    NOW,
  );
  assert.ok('peers' in answer);
  const { count, endpoints } = answer.peers;
  const parse = endpoints.length === 6 * count ? parseCompactPeers4 : parseCompactPeers6;
  return parse(endpoints).map(({ host }) => host);
}

test("a victim's address in the ip parameter is ignored from the Internet", () => {
  for (const victim of ['192.0.2.66', '10.0.0.1', '127.0.0.1'])
    assert.deepEqual(announcedAs('203.0.113.5', victim, '198.51.100.1'), ['203.0.113.5']);
  assert.deepEqual(announcedAs('2001:db8::5', '2001:db8::66', '2001:db8::1'), ['2001:db8::5']);
});

test('the ip parameter is believed from loopback and LAN', () => {
  assert.deepEqual(announcedAs('192.168.1.2', '203.0.113.9', '198.51.100.1'), ['203.0.113.9']);
  assert.deepEqual(announcedAs('::1', '203.0.113.9', '198.51.100.1'), ['203.0.113.9']);
});

test('an ip parameter that no host can have is ignored', () => {
  for (const claimed of [
    '',
    'localhost',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    '::',
    'ff02::1',
    '1.2.3',
    '1.2.3.4.5',
  ])
    assert.deepEqual(announcedAs('127.0.0.1', claimed, '127.0.0.2'), ['127.0.0.1'], claimed);
});

test('local hosts are the ones that cannot arrive from the Internet', () => {
  for (const host of [
    '127.9.9.9',
    '10.0.0.1',
    '172.31.255.1',
    '192.168.0.1',
    '169.254.0.1',
    '::1',
    'fdff::1',
    'fe80::1',
  ])
    assert.ok(isLocalHost(packed(host)), host);
  for (const host of [
    '128.0.0.1',
    '11.0.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '100.64.0.1',
    '::2',
    '2001:db8::1',
    'fec0::1',
  ])
    assert.ok(!isLocalHost(packed(host)), host);
});

test('a prefix is the /24 or the /48, of a host and of an endpoint alike', () => {
  assert.equal(quotaPrefix(packed('1.2.3.4')), quotaPrefix(`${packed('1.2.3.200')}\x01\x02`));
  assert.notEqual(quotaPrefix(packed('1.2.3.4')), quotaPrefix(packed('1.2.4.4')));
  assert.equal(quotaPrefix(packed('2001:db8:1:2::3')), quotaPrefix(`${packed('2001:db8:1:9::9')}\x01\x02`));
  assert.notEqual(quotaPrefix(packed('2001:db8:1::1')), quotaPrefix(packed('2001:db8:2::1')));
  assert.equal(quotaPrefix(packed('::ffff:1.2.3.4')), quotaPrefix(packed('1.2.3.4')));
});

test('a link-local source keeps no zone', () => {
  assert.equal(packSource('fe80::1%eth0'), packed('fe80::1'));
});

test('a wrong option fails at start, naming itself', () => {
  for (const [option, value] of [
    ['intervalSeconds', 0],
    ['minIntervalSeconds', 1801],
    ['maxTorrents', 1.5],
    ['maxPeers', Number.NaN],
    ['requestsPerSecondPerPrefix', -1],
  ] as const)
    assert.throws(() => resolveTrackerOptions({ [option]: value }), {
      code: 'USAGE_INVALID_OPTION',
      message: new RegExp(`^${option} must be`),
    });
});

test('a prefix gets its rate after a burst, others are untouched, and the buckets stay bounded', () => {
  const buckets = new RateBuckets(10);
  let taken = 0;
  while (buckets.take('abc', NOW)) taken++;
  assert.equal(taken, 40);
  assert.ok(buckets.take('abd', NOW) && buckets.take(undefined, NOW));
  assert.ok(!buckets.take('abc', asMillis(50)));
  assert.ok(buckets.take('abc', asMillis(150)));
  for (let n = 0; n < 200_000; n++) buckets.take(`prefix ${n}`, NOW);
  assert.ok(buckets.size <= 65_536, String(buckets.size));
});
