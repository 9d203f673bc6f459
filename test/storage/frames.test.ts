import assert from 'node:assert/strict';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { Frames, PieceStore } from '../../engine/ports.js';
import { framePayloads, framesBytes, writeFrameHeaders } from '../../engine/storage/piece-frames.js';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { type MadeTorrent, makeFolder, makeStorage, makeTorrent, Told } from './made-torrent.js';

/** The `piece` messages that a peer should get, by the book (BEP 3). */
function expectedFrames(
  torrent: MadeTorrent,
  piece: number,
  begin: number,
  blockBytes: number,
  blocks: number,
) {
  const parts: Buffer[] = [];
  for (let i = 0; i < blocks; i++) {
    const at = begin + i * blockBytes;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(9 + blockBytes, 0);
    header[4] = 7;
    header.writeUInt32BE(piece, 5);
    header.writeUInt32BE(at, 9);
    const offset = piece * torrent.metainfo.pieceLength + at;
    parts.push(header, torrent.bytes.subarray(offset, offset + blockBytes));
  }
  return Buffer.concat(parts);
}

async function seed(t: TestContext, torrent: MadeTorrent, readCacheBytes = 1024 * 1024) {
  const folder = await makeFolder(t);
  let offset = 0;
  for (const { diskPath, lengthBytes, padding } of torrent.metainfo.files) {
    const bytes = torrent.bytes.subarray(offset, offset + lengthBytes);
    offset += lengthBytes;
    if (padding) continue;
    await mkdir(dirname(join(folder, diskPath)), { recursive: true });
    await writeFile(join(folder, diskPath), bytes);
  }
  const { storage } = makeStorage(t, folder, { readCacheBytes, maxOpenFiles: 4 });
  const opened = await storage.openTorrent(torrent.metainfo, folder, {
    readOnly: true,
    assumeComplete: true,
  });
  assert.equal(opened.have.isFull, true);
  return { folder, storage, opened, store: opened.store, told: new Told(opened.store) };
}

async function framesOf(
  store: PieceStore,
  told: Told,
  piece: number,
  begin: number,
  blockBytes: number,
  blocks: number,
): Promise<Frames> {
  for (;;) {
    const seen = told.count('ready');
    const frames = store.frames(asPiece(piece), begin, blockBytes, blocks);
    if (frames !== undefined) return frames;
    await told.until(() => told.count('ready') > seen || told.count('failed') > 0);
    assert.equal(told.count('failed'), 0);
  }
}

const MIXED = [
  { path: 't/a', lengthBytes: 300_000 },
  { path: 't/empty', lengthBytes: 0 },
  { path: 't/b', lengthBytes: 17 },
  { path: 't/.pad', lengthBytes: 20_000, padding: true },
  { path: 't/c', lengthBytes: 900_001 },
];

test('serves every block of every piece as wire frames, in runs as long as it can', async (t) => {
  for (const pieceLength of [10_000, 65_536, 100_000, 1_048_576]) {
    const torrent = makeTorrent(pieceLength, MIXED);
    const { store, told, opened } = await seed(t, torrent);
    for (let piece = 0; piece < torrent.metainfo.pieceCount; piece++) {
      const pieceBytes = Math.min(pieceLength, torrent.bytes.length - piece * pieceLength);
      for (let begin = 0; begin < pieceBytes; ) {
        const blockBytes = Math.min(BLOCK_BYTES, pieceBytes - begin);
        const wanted = Math.max(1, Math.floor((pieceBytes - begin) / BLOCK_BYTES));
        const frames = await framesOf(store, told, piece, begin, blockBytes, wanted);
        assert.ok(frames.blocks >= 1 && frames.blocks <= wanted);
        const expected = expectedFrames(torrent, piece, begin, blockBytes, frames.blocks);
        assert.ok(expected.equals(frames.bytes), `piece ${piece} begin ${begin}`);
        frames.release();
        begin += frames.blocks * blockBytes;
      }
    }
    await opened.close();
  }
});

test('serves requests off the block grid and of odd lengths', async (t) => {
  const torrent = makeTorrent(524_288, MIXED);
  const { store, told } = await seed(t, torrent);
  const requests: [piece: number, begin: number, blockBytes: number][] = [
    [0, 1, 16_384],
    [0, 262_143, 16_384],
    [0, 0, 1],
    [0, 16_384, 16_383],
    [0, 299_990, 100],
    [1, 5_000, 3_333],
    [2, 100, 7],
  ];
  for (const [piece, begin, blockBytes] of requests) {
    const frames = await framesOf(store, told, piece, begin, blockBytes, 1);
    assert.ok(expectedFrames(torrent, piece, begin, blockBytes, 1).equals(frames.bytes), `${piece} ${begin}`);
    frames.release();
  }
});

test('serves any request within a piece, by a cache that cannot hold two extents at once', async (t) => {
  const torrent = makeTorrent(1_300_000, 1_400_000);
  const { store, told } = await seed(t, torrent);
  const borders = [0, 524_288, 1_048_576, 1_300_000, 1_400_000];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...borders),
      fc.integer({ min: -40_000, max: 40_000 }),
      fc.oneof(fc.integer({ min: 1, max: BLOCK_BYTES }), fc.constantFrom(1, 8_192, BLOCK_BYTES)),
      fc.integer({ min: 1, max: 20 }),
      async (border, shift, blockBytes, blocks) => {
        const offset = Math.max(0, border + shift);
        const piece = Math.floor(offset / 1_300_000);
        const begin = offset - piece * 1_300_000;
        const pieceBytes = piece === 0 ? 1_300_000 : 100_000;
        if (piece > 1 || begin + blockBytes > pieceBytes) return;
        const most = Math.min(blocks, Math.floor((pieceBytes - begin) / blockBytes));
        const frames = await framesOf(store, told, piece, begin, blockBytes, most);
        assert.ok(frames.blocks >= 1 && frames.blocks <= most, `${frames.blocks} blocks`);
        assert.ok(
          expectedFrames(torrent, piece, begin, blockBytes, frames.blocks).equals(frames.bytes),
          `${piece} ${begin} ${blockBytes}`,
        );
        frames.release();
      },
    ),
    { numRuns: 200 },
  );
});

test('requests off the grid share what is read, however many and whatever they ask', async (t) => {
  const torrent = makeTorrent(1_048_576, 1_048_576);
  const { store, told } = await seed(t, torrent, 4 * 1024 * 1024);
  const border = 524_288;
  for (const begin of [1, border + 1, border - 1]) {
    (await framesOf(store, told, 0, begin, 2, 1)).release();
  }
  for (let begin = 1; begin < 1_048_576 - 8_192; begin += 97) {
    for (const blockBytes of [1, 3, 1_000 + (begin % 5_000), 8_192]) {
      const frames = store.frames(asPiece(0), begin, blockBytes, 1);
      assert.ok(frames !== undefined, `${blockBytes} bytes at ${begin} are read once more`);
      frames.release();
    }
  }
  assert.deepEqual(told.events, ['ready 0', 'ready 0', 'ready 0']);
});

test('half blocks that follow each other go out as runs', async (t) => {
  const torrent = makeTorrent(524_288, 524_288);
  const { store, told } = await seed(t, torrent);
  const frames = await framesOf(store, told, 0, 8_192, 8_192, 63);
  assert.equal(frames.blocks, 63);
  assert.ok(expectedFrames(torrent, 0, 8_192, 8_192, 63).equals(frames.bytes));
});

test('answers nothing to requests outside a piece', async (t) => {
  const torrent = makeTorrent(65_536, 100_000);
  const { store } = await seed(t, torrent);
  for (const [begin, blockBytes, blocks] of [
    [-16_384, 16_384, 1],
    [65_536, 16_384, 1],
    [0, 131_072, 1],
    [0, 0, 1],
    [0, 16_384, 0],
    [65_530, 7, 1],
  ] as const) {
    assert.equal(store.frames(asPiece(0), begin, blockBytes, blocks), undefined);
  }
  assert.equal(store.frames(asPiece(1), 32_768, 16_384, 1), undefined);
});

test('frames do not change while they are held, however much else is read', async (t) => {
  const torrent = makeTorrent(262_144, 40 * 262_144);
  const { store, told } = await seed(t, torrent);
  const held = await framesOf(store, told, 0, 0, BLOCK_BYTES, 16);
  for (let piece = 1; piece < 40; piece++) {
    const frames = await framesOf(store, told, piece, 0, BLOCK_BYTES, 16);
    assert.ok(expectedFrames(torrent, piece, 0, BLOCK_BYTES, frames.blocks).equals(frames.bytes));
    frames.release();
    frames.release();
  }
  assert.ok(expectedFrames(torrent, 0, 0, BLOCK_BYTES, 16).equals(held.bytes));
  held.release();
});

test('many askers of one extent share one read', async (t) => {
  const torrent = makeTorrent(262_144, 2 * 262_144);
  const { store, told } = await seed(t, torrent);
  for (let i = 0; i < 100; i++) assert.equal(store.frames(asPiece(1), 0, BLOCK_BYTES, 1), undefined);
  await told.until(() => told.events.length > 0);
  const frames = await framesOf(store, told, 1, 0, BLOCK_BYTES, 16);
  frames.release();
  assert.deepEqual(told.events, ['ready 1']);
});

test('peers that never finish reading do not keep the cache from others', async (t) => {
  const torrent = makeTorrent(262_144, 30 * 262_144);
  const { store, told } = await seed(t, torrent);
  const held: [piece: number, frames: Frames][] = [];
  for (let piece = 0; piece < 30; piece++) {
    held.push([piece, await framesOf(store, told, piece, 0, BLOCK_BYTES, 16)]);
  }
  for (const [piece, frames] of held) {
    assert.ok(expectedFrames(torrent, piece, 0, BLOCK_BYTES, 16).equals(frames.bytes), `piece ${piece}`);
    frames.release();
  }
});

test('a cache too small for what is being read makes the rest wait for its turn', async (t) => {
  const torrent = makeTorrent(262_144, 20 * 262_144);
  const { store, told } = await seed(t, torrent);
  for (let piece = 0; piece < 20; piece++) store.frames(asPiece(piece), 0, BLOCK_BYTES, 16);
  await told.until(() => told.count('ready') === 20);
});

test('answers every one of more requests than the queue holds', async (t) => {
  const torrent = makeTorrent(16_384, 3_000 * 16_384);
  const { store, told } = await seed(t, torrent);
  const waiting = new Set<number>();
  for (let piece = 0; piece < 3_000; piece++) {
    assert.equal(store.frames(asPiece(piece), 0, BLOCK_BYTES, 1), undefined);
    waiting.add(piece);
  }
  told.onFramesReady = (piece) => {
    const frames = store.frames(asPiece(piece), 0, BLOCK_BYTES, 1);
    if (frames === undefined || !waiting.delete(piece)) return;
    assert.ok(expectedFrames(torrent, piece, 0, BLOCK_BYTES, 1).equals(frames.bytes));
    frames.release();
    if (waiting.size === 0) told.onSlotFree();
  };
  await told.until(() => waiting.size === 0);
});

test('frames held by a socket outlive the torrent', async (t) => {
  const torrent = makeTorrent(65_536, 10 * 65_536);
  const { store, told, opened, storage } = await seed(t, torrent);
  const held = await framesOf(store, told, 1, 0, BLOCK_BYTES, 4);
  assert.equal(store.frames(asPiece(2), 0, BLOCK_BYTES, 1), undefined);
  await opened.close();
  assert.ok(expectedFrames(torrent, 1, 0, BLOCK_BYTES, 4).equals(held.bytes));
  held.release();
  await storage.close();
  assert.equal(told.count('ready 2'), 0, 'nothing is told after close');
});

test('a file cut short while seeding stops the torrent with a named error, once', async (t) => {
  const torrent = makeTorrent(65_536, 10 * 65_536);
  const { store, told, folder } = await seed(t, torrent);
  await truncate(join(folder, 'data-1.bin'), 65_536);
  for (const piece of [3, 4, 5]) assert.equal(store.frames(asPiece(piece), 0, BLOCK_BYTES, 1), undefined);
  await told.until(() => told.events.length > 0);
  assert.deepEqual(told.events, ['failed STORAGE_MISSING']);
  assert.equal(store.frames(asPiece(0), 0, BLOCK_BYTES, 1), undefined);
});

test('headers and gaps of frames tile the buffer for any stretch', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 0, max: 99_999 }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (length, cut, begin) => {
        const frames = Buffer.alloc(framesBytes(length), 0xee);
        writeFrameHeaders(frames, 7, begin, length);
        const split = cut % length;
        const gaps = [...framePayloads(frames, 0, split), ...framePayloads(frames, split, length - split)];
        let value = 0;
        for (const gap of gaps) for (let i = 0; i < gap.length; i++) gap[i] = value++ & 0x7f;
        assert.equal(value, length);
        let at = 0;
        let done = 0;
        while (at < frames.length) {
          const blockBytes = frames.readUInt32BE(at) - 9;
          assert.equal(blockBytes, Math.min(BLOCK_BYTES, length - done));
          assert.deepEqual([frames[at + 4], frames.readUInt32BE(at + 5)], [7, 7]);
          assert.equal(frames.readUInt32BE(at + 9), begin + done);
          assert.equal(frames[at + 13], done & 0x7f);
          at += 13 + blockBytes;
          done += blockBytes;
        }
        assert.equal(done, length);
      },
    ),
    { numRuns: 50 },
  );
});
