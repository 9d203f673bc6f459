import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressPrefix } from '../../engine/policy/address-prefix.js';
import { peerPriority } from '../../engine/policy/peer-priority.js';
import { isCrowding, leastUseful, type SeatedPeer } from '../../engine/policy/turnover.js';
import { asMillis, type PeerAddress } from '../../engine/units.js';

const NOW = asMillis(100_000);

interface Facts {
  readonly ageMs?: number;
  readonly exchanged?: number;
  readonly sends?: number;
  readonly takes?: number;
}

function peer(host: string, { ageMs = 90_000, exchanged = 0, sends = 0, takes = 0 }: Facts = {}): SeatedPeer {
  return {
    prefix: addressPrefix(host),
    connectedAt: asMillis(NOW - ageMs),
    downloadedBytes: exchanged / 2,
    uploadedBytes: exchanged / 2,
    listenAddress: undefined,
    connection: { remote: { host, port: 6881 } },
    contributionRate: () => sends,
    uploadRate: { rate: () => takes },
  };
}

describe('who makes room', () => {
  it('is nobody while all are new, send or take', () => {
    const busy = [
      peer('192.0.2.1', { ageMs: 59_999 }),
      peer('198.51.100.1', { sends: 1 }),
      peer('203.0.113.1', { takes: 1 }),
    ];
    assert.equal(leastUseful(busy, NOW), undefined);
    assert.equal(leastUseful([], NOW), undefined);
  });

  it('is of the network that has the most idle ones, however much was exchanged', () => {
    const alone = peer('192.0.2.1');
    const crowd = [1, 2, 3].map((i) => peer(`198.51.100.${i}`, { exchanged: 1_000 * i }));
    assert.equal(leastUseful([alone, ...crowd], NOW), crowd[0]);
    // Those that are of use do not make their network a crowd.
    const useful = [4, 5, 6].map((i) => peer(`203.0.113.${i}`, { sends: 1 }));
    assert.equal(leastUseful([peer('203.0.113.1'), ...useful, ...crowd], NOW), crowd[0]);
  });

  it('is of a network the one that gave and took the least', () => {
    const peers = [3_000, 1_000, 2_000].map((exchanged, i) => peer(`198.51.100.${i}`, { exchanged }));
    assert.equal(leastUseful(peers, NOW), peers[1]);
  });

  it('is of equals the one that BEP 40 prefers least', () => {
    const ours: PeerAddress = { host: '203.0.113.9', port: 6881 };
    const peers = ['192.0.2.1', '198.51.100.1', '233.252.0.1'].map((host) => peer(host));
    const priorities = peers.map(({ connection }) => peerPriority(ours, connection.remote)!);
    const least = priorities.indexOf(Math.min(...priorities));
    assert.equal(leastUseful(peers, NOW, [ours]), peers[least]);
  });
});

describe('a network', () => {
  const of = (count: number) => Array.from({ length: count }, (_, i) => peer(`192.0.2.${i}`));

  it('crowds when it has a quarter of the seats, but never with fewer than four', () => {
    assert.equal(isCrowding('192.0.2.200', of(19), 80), false);
    assert.equal(isCrowding('192.0.2.200', of(20), 80), true);
    assert.equal(isCrowding('192.0.2.200', of(3), 4), false);
    assert.equal(isCrowding('192.0.2.200', of(4), 4), true);
    assert.equal(isCrowding('198.51.100.1', of(50), 80), false);
  });

  it('never crowds when it is this machine', () => {
    const here = Array.from({ length: 50 }, () => peer('127.0.0.1'));
    assert.equal(isCrowding('127.0.0.1', here, 80), false);
  });
});
