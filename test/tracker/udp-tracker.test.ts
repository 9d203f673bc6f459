/** What a hostile datagram can do to the UDP tracker: nothing. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { asMillis, type PeerAddress } from '../../engine/units.js';
import { startTracker } from '../../tracker/index.js';
import {
  announcePacket,
  connectPacket,
  hashOf,
  scrapePacket,
  UdpProbe,
  udpHeader,
} from '../support/tracker-clients.js';

const A = hashOf(0xaa);
const MINUTE_MS = 60_000;

/** A tracker on a clock of its own, and a client of it. */
async function open(t: TestContext) {
  let nowMs = 0;
  const tracker = await startTracker(
    { udp: { host: '127.0.0.1', port: 0 } },
    { now: () => asMillis(nowMs), rng: Math.random },
  );
  const server = tracker.udp as PeerAddress;
  const probe = await UdpProbe.open(server);
  t.after(async () => {
    probe.close();
    await tracker.close();
  });
  return {
    tracker,
    server,
    probe,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('nothing sent to an unproven address is longer than what came from it', async (t) => {
  const { probe } = await open(t);
  const guess = Buffer.from('0011223344556677', 'hex');
  const hashes = Array.from({ length: 74 }, (_, at) => hashOf(at));
  for (const [what, packet, mostBytes] of [
    ['connect', connectPacket(), 16],
    ['padded connect', Buffer.concat([connectPacket(), Buffer.alloc(500)]), 16],
    ['announce', announcePacket(guess, { infoHash: A, port: 1 }), 0],
    ['scrape of one', scrapePacket(guess, [A]), 0],
    ['scrape of 74', scrapePacket(guess, hashes), 0],
    ['scrape of none', scrapePacket(guess, []), 0],
    ['connect with a wrong protocol id', udpHeader(guess, 0), 0],
    ['unknown action', udpHeader(guess, 9), 0],
    ['header cut short', connectPacket().subarray(0, 15), 0],
    ['nothing', Buffer.alloc(0), 0],
  ] as const) {
    const answer = await probe.answerTo(packet);
    assert.equal(answer?.length ?? 0, mostBytes, what);
    assert.ok(mostBytes <= packet.length);
  }
});

test('an expired connection id is refused without an answer', async (t) => {
  const { tracker, probe, pass } = await open(t);
  const id = await probe.connect();
  const announce = announcePacket(id, { infoHash: A, port: 1 });
  assert.equal((await probe.answerTo(announce))?.readUInt32BE(0), 1);
  pass(4 * MINUTE_MS);
  assert.equal(await probe.answerTo(announce), undefined);
  assert.equal(tracker.stats().udp.announces, 1);
});

test('a connection id of the future is refused', async (t) => {
  const { probe, pass } = await open(t);
  pass(10 * MINUTE_MS);
  const id = await probe.connect();
  pass(-2 * MINUTE_MS);
  assert.equal(await probe.answerTo(announcePacket(id, { infoHash: A, port: 1 })), undefined);
});

test('a connection id replayed from another address is refused', async (t) => {
  const { server, probe, tracker } = await open(t);
  const id = await probe.connect();
  const thief = await UdpProbe.open(server, '127.0.0.2');
  t.after(() => thief.close());
  assert.equal(await thief.answerTo(announcePacket(id, { infoHash: A, port: 1 })), undefined);
  assert.equal(tracker.stats().peers, 0);
});

test('with a proven address a bad announce is told why, and one cut short is dropped', async (t) => {
  const { probe } = await open(t);
  const id = await probe.connect();
  const refused = await probe.answerTo(announcePacket(id, { infoHash: A, port: 0 }));
  assert.deepEqual(
    [refused?.readUInt32BE(0), refused?.toString('latin1', 8)],
    [3, 'port must be 1 to 65535'],
  );
  for (const length of [16, 36, 97]) {
    const cut = announcePacket(id, { infoHash: A, port: 1 }).subarray(0, length);
    assert.equal(await probe.answerTo(cut), undefined, `${length} bytes`);
  }
  assert.equal(await probe.answerTo(Buffer.concat([scrapePacket(id, [A]), Buffer.alloc(7)])), undefined);
});

test('options after an announce are tolerated, broken ones too', async (t) => {
  const { probe } = await open(t);
  const id = await probe.connect();
  for (const options of ['020c2f6469723f613d6226633d64', '01010100ffff', '0200', '02ff2f', '03', '7f05aa']) {
    const packet = Buffer.concat([announcePacket(id, { infoHash: A, port: 1 }), Buffer.from(options, 'hex')]);
    assert.equal((await probe.answerTo(packet))?.readUInt32BE(0), 1, options);
  }
});

test('the ip field is honoured from loopback over IPv4', async (t) => {
  const { probe } = await open(t);
  const id = await probe.connect();
  await probe.answerTo(announcePacket(id, { infoHash: A, port: 7, ip: '203.0.113.9' }));
  const answer = await probe.answerTo(announcePacket(id, { infoHash: A, port: 8 }));
  assert.deepEqual([...(answer?.subarray(20) ?? [])], [203, 0, 113, 9, 0, 7]);
});

test('random and mutated datagrams are survived, and never answered with more than an announce', async (t) => {
  const { probe, tracker } = await open(t);
  const id = await probe.connect();
  const mutated = fc
    .tuple(fc.constantFrom(0, 1, 2, 3, 4), fc.uint8Array({ maxLength: 200 }))
    .map(([action, tail]) => Buffer.concat([udpHeader(id, action), tail]));
  const junk = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(fc.oneof(junk, mutated), async (packet) => {
      const answer = await probe.answerTo(packet);
      assert.ok(answer === undefined || answer.length <= 20 + 6 * 200);
    }),
    { numRuns: 400 },
  );
  assert.equal((await probe.connect()).length, 8);
  assert.ok(tracker.stats().udp.dropped > 100);
});
