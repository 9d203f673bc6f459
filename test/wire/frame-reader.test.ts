import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { FrameReader, type FrameTarget } from '../../engine/wire/frame-reader.js';
import { frame, hex, PIECES, Recorder } from './harness.js';

const GEOMETRY = new TorrentGeometry(2 ** 31, PIECES * 2 ** 31);

/** Notes control frames beside the calls of the handler. */
function target(): FrameTarget & { handler: Recorder } {
  const handler = new Recorder();
  const onControlFrame = (bytes: Uint8Array): void => {
    handler.calls.push(['control', hex(bytes)]);
  };
  return { handler, fast: true, onControlFrame };
}

/** Reads `bytes` cut at `cuts`, out of one buffer that is overwritten after each chunk, as a socket's is. */
function readInChunks(
  bytes: Uint8Array,
  cuts: readonly number[],
): { calls: unknown[][]; fault: string | undefined } {
  const to = target();
  const reader = new FrameReader(to, GEOMETRY);
  const shared = new Uint8Array(bytes.length);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  let fault: string | undefined;
  for (const end of [...ends, bytes.length]) {
    shared.set(bytes.subarray(from, end));
    fault = reader.read(shared.subarray(0, end - from));
    shared.fill(0xee);
    if (fault !== undefined) break;
    from = end;
  }
  return { calls: to.handler.calls, fault };
}

const index = fc.nat(PIECES - 1);
const begin = fc.nat(2 ** 30);
const blockLength = fc.integer({ min: 1, max: 128 * 1024 });
const bytes = (most: number) => fc.uint8Array({ minLength: 1, maxLength: most });
/** Any message but those that may come only once, and unknown ones, which are limited. */
const message = fc.oneof(
  fc.constant(Buffer.alloc(4)),
  fc.constantFrom(0, 1, 2, 3).map((id) => frame(id)),
  fc.tuple(fc.constantFrom(4, 13, 17), index).map(([id, piece]) => frame(id, [piece])),
  fc.tuple(fc.constantFrom(6, 8, 16), index, begin, blockLength).map(([id, ...name]) => frame(id, name)),
  fc.tuple(index, begin, bytes(300)).map(([piece, at, block]) => frame(7, [piece, at], block)),
  fc
    .tuple(index, fc.integer({ min: 16_000, max: 40_000 }))
    .map(([piece, size]) => frame(7, [piece, 0], new Uint8Array(size).fill(size))),
  bytes(2).map((port) => frame(9, [], Buffer.concat([port, port]).subarray(0, 2))),
  bytes(300).map((payload) => frame(20, [], payload)),
);

test('makes the same calls however the stream is cut into chunks', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (messages, cuts) => {
        const stream = Buffer.concat(messages);
        const whole = readInChunks(stream, []);
        assert.equal(whole.fault, undefined);
        const counted = messages.filter((bytes) => bytes.length > 4).length;
        assert.equal(whole.calls.length, counted, 'one call a message');
        assert.deepEqual(readInChunks(stream, cuts), whole);
      },
    ),
    { numRuns: 300 },
  );
});

test('makes the same calls when every byte comes alone', () => {
  const stream = Buffer.concat([
    Buffer.alloc(4),
    frame(15),
    frame(7, [1, 2], new Uint8Array(20).fill(3)),
    Buffer.alloc(8),
    frame(6, [1, 2, 3]),
    frame(20, [], Buffer.from('x')),
  ]);
  const every = Array.from({ length: stream.length }, (_, i) => i);
  const { calls } = readInChunks(stream, every);
  assert.equal(calls.length, 4);
  assert.deepEqual(calls, readInChunks(stream, []).calls);
});

test('finds the same fault however random bytes are cut, and never throws', () => {
  const soup = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      message,
      // Plausible headers: a small length, any id.
      fc
        .tuple(fc.nat(20), fc.nat(255), fc.uint8Array({ maxLength: 20 }))
        .map(([length, id, rest]) => Buffer.from([0, 0, 0, length, id, ...rest])),
    ),
    { minLength: 1, maxLength: 12 },
  );
  let faults = 0;
  fc.assert(
    fc.property(soup, fc.array(fc.nat(), { maxLength: 10 }), (parts, cuts) => {
      const stream = Buffer.concat(parts);
      const whole = readInChunks(stream, []);
      if (whole.fault !== undefined) faults++;
      const cut = readInChunks(stream, cuts);
      // A too long message is refused at its fourth byte or, seen whole, at its fifth.
      assert.equal(cut.fault === undefined, whole.fault === undefined);
      assert.deepEqual(cut.calls, whole.calls);
    }),
    { numRuns: 500 },
  );
  assert.ok(faults > 50, 'the generator makes faults too');
});

test('hands a block inside a chunk on without copying it', () => {
  const chunk = new Uint8Array(frame(7, [3, 16_384], new Uint8Array(1_000)));
  let view: Uint8Array | undefined;
  const to = target();
  to.handler.onBlock = (_piece, _begin, block) => {
    view = block;
  };
  new FrameReader(to, GEOMETRY).read(chunk);
  assert.equal(view?.buffer, chunk.buffer);
  assert.equal(view?.byteOffset, 13);
  assert.equal(view?.length, 1_000);
});

test('holds little more than what arrived for frames that claim much and never end', () => {
  const whole = frame(7, [0, 0], new Uint8Array(128 * 1024));
  for (const [arrived, most] of [
    [100, 17_000],
    [20_000, 60_000], // the first, smaller buffer may not be collected yet
  ] as const) {
    const readers = Array.from({ length: 300 }, () => new FrameReader(target(), GEOMETRY));
    const before = process.memoryUsage().arrayBuffers;
    for (const reader of readers) reader.read(whole.subarray(0, arrived));
    const held = process.memoryUsage().arrayBuffers - before;
    assert.ok(held < 300 * most, `${held / 300} bytes held for ${arrived} that arrived`);
  }
});

test('takes blocks of 16 KiB to 128 KiB across chunks', () => {
  for (const size of [16_384, 65_536, 131_072]) {
    const stream = frame(7, [1, 0], new Uint8Array(size).fill(7));
    const whole = readInChunks(stream, []);
    assert.equal(whole.calls.length, 1);
    assert.deepEqual(readInChunks(stream, [3, 8, 5_000, 70_000]), whole);
  }
});

test('takes a bitfield larger than any other message', () => {
  const pieceCount = 2_097_152;
  const to = target();
  const reader = new FrameReader(to, new TorrentGeometry(16_384, pieceCount * 16_384));
  const stream = frame(5, [], new Uint8Array(pieceCount / 8));
  assert.equal(reader.read(stream.subarray(0, 100_000)), undefined);
  assert.equal(reader.read(stream.subarray(100_000)), undefined);
  assert.equal(to.handler.calls.length, 1);
  assert.match(
    reader.read(Buffer.concat([frame(20, [], new Uint8Array(200_000)), frame(2)])) ?? '',
    /a message of 200001 bytes/,
  );
});

test('gives the allowance for choke and interest back with time', () => {
  const reader = new FrameReader(target(), GEOMETRY);
  for (let beat = 0; beat < 200; beat++) {
    assert.equal(reader.read(Buffer.concat([frame(0), frame(1), frame(2), frame(3)])), undefined);
    reader.onBeat();
  }
});

test('keeps what is said about pieces until their number is known, then checks it', () => {
  const to = target();
  const reader = new FrameReader(to, undefined);
  const said = [frame(5, [], Uint8Array.of(0xe0)), frame(4, [3]), frame(1)];
  assert.equal(reader.read(Buffer.concat(said)), undefined);
  assert.deepEqual(to.handler.calls, [['control', hex(said[2]!)]]);
  assert.equal(reader.learn(new TorrentGeometry(16_384, 5 * 16_384)), undefined);
  assert.deepEqual(
    to.handler.calls.slice(1),
    said.slice(0, 2).map((bytes) => ['control', hex(bytes)]),
  );
  assert.match(reader.read(frame(4, [5])) ?? '', /piece 5 of 5/);
});

test('finds out on learning the number of pieces who named one too many', () => {
  for (const [wrong, why] of [
    [frame(4, [5]), /piece 5 of 5/],
    [frame(5, [], new Uint8Array(2)), /message 5 has 3 bytes instead of 2/],
  ] as const) {
    const reader = new FrameReader(target(), undefined);
    assert.equal(reader.read(wrong), undefined);
    assert.match(reader.learn(new TorrentGeometry(16_384, 5 * 16_384)) ?? '', why);
  }
});

test('keeps no more about unknown pieces than a large torrent needs, and nothing moves before', () => {
  const flood = new FrameReader(target(), undefined);
  let fault: string | undefined;
  let frames = 0;
  for (; fault === undefined && frames < 10_000; frames++) fault = flood.read(frame(4, [1]));
  assert.match(fault ?? '', /too much about pieces/);
  const large = new FrameReader(target(), undefined);
  assert.equal(large.read(frame(5, [], new Uint8Array(2 ** 18))), undefined);
  assert.match(large.read(frame(5, [], new Uint8Array(2 ** 18))) ?? '', /too much about pieces/);
  assert.match(new FrameReader(target(), undefined).read(frame(6, [0, 0, 16_384])) ?? '', /piece 0 of 0/);
  assert.match(
    new FrameReader(target(), undefined).read(frame(5, [], new Uint8Array(2 ** 18 + 1))) ?? '',
    /262146/,
  );
});
