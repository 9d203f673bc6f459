import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  DhtSnapshot,
  EngineSnapshot,
  PeerSnapshot,
  TorrentSnapshot,
  TrackerSnapshot,
} from '../../engine/snapshot.js';
import { reason } from '../../tui/reason.js';
import { DemoEngine } from '../support/demo-snapshot.js';

const engine = new DemoEngine({ peers: 5 }).snapshot();
const [demo] = engine.torrents as [TorrentSnapshot];
const [somePeer] = demo.peers as [PeerSnapshot];
const [someTracker] = demo.trackers as [TrackerSnapshot];

const flowing: PeerSnapshot = { ...somePeer, amInterested: true, peerChoking: false };
const choking: PeerSnapshot = { ...somePeer, amInterested: true, peerChoking: true };
const useless: PeerSnapshot = { ...somePeer, amInterested: false, peerChoking: true };
const everywhere = new Uint8Array(demo.pieceCount).fill(1);

function say(torrent: Partial<TorrentSnapshot>, of: Partial<EngineSnapshot> = {}): string | undefined {
  const whole = { ...demo, pieceAvailability: everywhere, downloadBytesPerSecond: 1e6, ...torrent };
  return reason(whole, { ...engine, ...of })?.text;
}
const tracker = (state: TrackerSnapshot['state'], message = ''): TrackerSnapshot => ({
  ...someTracker,
  state,
  message,
});

test('says nothing while data flows', () => assert.equal(say({ peers: [flowing, choking] }), undefined));

test('names the choke when every useful peer chokes us', () => {
  assert.equal(say({ peers: Array(5).fill(choking) }), 'choked by all 5 peers');
  assert.equal(say({ peers: [choking] }), 'choked by the only peer');
  assert.equal(
    say({ peers: [choking, choking, useless] }),
    'choked by all 2 peers that have something we need',
  );
  assert.equal(say({ peers: [choking, useless] }), 'choked by the only peer that has something we need');
});

test('says of a magnet what it waits for', () => {
  const magnet = { phase: 'metadata', metadata: { holders: 0, share: 0 } } as const;
  assert.equal(
    say({ ...magnet, peers: [], candidatePeers: 0, trackers: [] }),
    'no tracker and no peers, and the DHT is switched off: add --tracker or --peer',
  );
  assert.equal(say({ ...magnet, peers: [useless] }), '1 peer, it has not told us what the magnet names');
  assert.equal(
    say({ ...magnet, peers: [useless, useless] }),
    '2 peers, they have not told us what the magnet names',
  );
  const some = { holders: 2, share: 0.5 };
  assert.equal(
    say({ ...magnet, metadata: some, peers: [useless, useless] }),
    'fetching what the magnet names from 2 peers, 50.0 %',
  );
});

test('says what the DHT does where there is no tracker', () => {
  const alone = { peers: [], candidatePeers: 0, trackers: [] };
  const dht = (state: DhtSnapshot['state']) => ({ dht: { state } as DhtSnapshot });
  assert.equal(say(alone, dht('joining')), 'asking the DHT for peers');
  assert.equal(say(alone, dht('ready')), 'asking the DHT for peers');
  assert.equal(
    say(alone, dht('offline')),
    'no tracker, and the DHT does not answer: add --tracker or --peer',
  );
  assert.equal(say(alone, dht('off')), 'no tracker and no peers: add --tracker or --peer');
});

test('says when nobody has what we need', () => {
  assert.equal(say({ peers: [useless] }), '1 peer, it has nothing we need');
  assert.equal(say({ peers: [useless, useless] }), '2 peers, they have nothing we need');
});

test('counts the pieces that nobody has', () => {
  const missing = { pieceStates: new Uint8Array(demo.pieceCount), pieceAvailability: everywhere.with(3, 0) };
  assert.equal(say({ peers: [flowing], ...missing }), '1 piece that no connected peer has');
});

test('names the limit that holds the rate', () => {
  const limits = { downloadBytesPerSecond: 2 ** 21, uploadBytesPerSecond: 2 ** 20 };
  assert.equal(
    say({ peers: [flowing] }, { limits, downloadBytesPerSecond: 2e6 }),
    'limited by --down 2 MiB/s',
  );
  assert.equal(say({ peers: [flowing] }, { limits, downloadBytesPerSecond: 1.1e6 }), undefined);
  const taker = { ...somePeer, peerInterested: true };
  assert.equal(
    say({ phase: 'seeding', peers: [taker] }, { limits, uploadBytesPerSecond: 1e6 }),
    'limited by --up 1 MiB/s',
  );
});

test('blames the disk when every buffer is full', () => {
  assert.match(
    say({ peers: [flowing] }, { arena: { usedBytes: 99, totalBytes: 100 } }) ?? '',
    /waiting for the disk/,
  );
});

test('tells a silent peer from one that was not asked', () => {
  const peers = [{ ...flowing, outstandingRequests: 7 }];
  assert.equal(say({ peers, downloadBytesPerSecond: 0 }), 'waiting for 7 blocks from 1 peer');
  assert.equal(
    say({ peers: [{ ...flowing, outstandingRequests: 0 }], downloadBytesPerSecond: 0 }),
    'about to ask for blocks',
  );
});

test('says why there is no peer', () => {
  const none = { peers: [], candidatePeers: 0 };
  assert.equal(
    say({ ...none, trackers: [] }),
    'no tracker and no peers, and the DHT is switched off: add --tracker or --peer',
  );
  assert.equal(
    say({ ...none, trackers: [tracker('announcing'), tracker('failed')] }),
    'asking the trackers for peers',
  );
  assert.equal(
    say({ ...none, trackers: [tracker('failed', 'timed out')] }),
    'no tracker answered: timed out',
  );
  assert.equal(say({ ...none, trackers: [tracker('failed')] }), 'no tracker answered');
  assert.equal(say({ ...none, trackers: [tracker('working')] }), 'the trackers know of no other peer');
  assert.equal(say({ peers: [], candidatePeers: 4 }, { halfOpenCount: 2 }), 'connecting, 4 known addresses');
  assert.equal(
    say({ peers: [], candidatePeers: 1 }, { halfOpenCount: 0 }),
    'no peer answers, 1 known address to try again',
  );
});

test('says how the check goes, why it failed and who is missing', () => {
  assert.equal(say({ phase: 'checking', checkedShare: 0.45 }), 'checking what is on disk, 45.0 %');
  const error = { code: 'STORAGE_NO_SPACE', message: 'the disk is full', hint: 'Free some space.' } as const;
  assert.equal(say({ phase: 'failed', error }), 'the disk is full – Free some space.');
  assert.equal(say({ phase: 'failed', error: null }), 'failed');
  assert.equal(say({ phase: 'seeding', peers: [] }), 'nobody is connected');
  assert.equal(
    say({ phase: 'seeding', peers: [{ ...somePeer, peerInterested: false }] }),
    '1 peer, it wants nothing',
  );
  assert.equal(say({ phase: 'stopped' }), undefined);
});

test('passes no control character on from a tracker or a file system', () => {
  const hostile = '\x1b]52;c;AAAA\x07\x9b2J\u202e';
  const error = { code: 'STORAGE_FAILED', message: hostile, hint: hostile } as const;
  for (const text of [
    say({ peers: [], candidatePeers: 0, trackers: [tracker('failed', hostile)] }),
    say({ phase: 'failed', error }),
  ]) {
    assert.doesNotMatch(text ?? '\x1b', /\p{C}/u);
  }
});
