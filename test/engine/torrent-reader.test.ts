/** Reading while downloading, on a swarm of fake ports: what is asked for, in which order, and who gets it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwarmError } from '../../engine/errors.js';
import { ReadingWindows } from '../../engine/policy/reading-windows.js';
import type { OpenTorrentStore } from '../../engine/storage/storage.js';
import { TorrentReader } from '../../engine/torrent-reader.js';
import { asMillis, BLOCK_BYTES, type PieceIndex } from '../../engine/units.js';
import { type FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const PIECES = 60;
const WINDOW = 5;

class Lab {
  readonly fake = new FakeSwarm({ pieces: PIECES, blocksPerPiece: 1, slots: 1_000 });
  readonly reader: TorrentReader;
  readonly #told = new Set<PieceIndex>();

  constructor() {
    const { swarm, clock, geometry } = this.fake;
    const windows = new ReadingWindows<object>(swarm, WINDOW);
    this.reader = new TorrentReader(geometry, {
      onReading: (reader, next, end) => windows.move(reader, next, end, clock.now(), 1_000),
      onDone: (reader) => windows.leave(reader),
    });
  }

  /** The pieces [from, to) as bytes, each of the value of its piece. */
  read(from: number, to: number): AsyncGenerator<Uint8Array> {
    const store = {
      have: this.fake.swarm.state.have,
      readRange: async (at: number, bytes: number) => new Uint8Array(bytes).fill(at / BLOCK_BYTES),
    } as unknown as OpenTorrentStore;
    return this.reader.read(Promise.resolve(store), from * BLOCK_BYTES, to * BLOCK_BYTES);
  }

  /** The peer answers its oldest requests; what is verified is told to who waits for it. */
  answer(peer: FakeConnection, count: number): void {
    peer.answer(count);
    this.fake.store.settle();
    for (const piece of this.fake.store.verified) {
      if (this.#told.has(piece)) continue;
      this.#told.add(piece);
      this.reader.onPiece(piece);
    }
  }

  get deadlines(): number[] {
    const { picker } = this.fake.swarm.state;
    const pieces = Array.from({ length: PIECES }, (_, i) => i);
    return pieces.filter((i) => Number.isFinite(picker.deadlineOf(i as PieceIndex)));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const askedPieces = (peer: FakeConnection): number[] => peer.requests.map(([piece]) => piece);

test('two readers at distant places both get what they read next, before all else', async () => {
  const lab = new Lab();
  const peer = lab.fake.connect();
  const early = lab.read(3, 20);
  const late = lab.read(40, 43);
  const chunks = [early.next(), late.next()];
  await settled();
  assert.deepEqual(lab.deadlines, [3, 4, 5, 6, 7, 40, 41, 42]);
  peer.handler.onUnchoke();
  const asked: number[] = [];
  while (asked.length < 8) {
    asked.push(askedPieces(peer)[0]!);
    lab.answer(peer, 1);
  }
  assert.deepEqual(
    asked.sort((a, b) => a - b),
    [3, 4, 5, 6, 7, 40, 41, 42],
  );
  assert.deepEqual(
    (await Promise.all(chunks)).map(({ value }) => value?.[0]),
    [3, 40],
  );
});

test('what each reads next comes alternately, not one window after the other', async () => {
  const lab = new Lab();
  const peer = lab.fake.connect();
  const reads = [lab.read(3, 20).next(), lab.read(40, 50).next()];
  await settled();
  peer.handler.onUnchoke();
  assert.deepEqual(askedPieces(peer), [3, 40]);
  lab.answer(peer, 2);
  assert.deepEqual(askedPieces(peer).slice(0, 2), [4, 41]);
  await Promise.all(reads);
});

test('a window moves with its reader, and ends with it', async () => {
  const lab = new Lab();
  const peer = lab.fake.connect();
  const other = lab.read(50, 60).next();
  const chunks = lab.read(0, 20);
  const first = chunks.next();
  await settled();
  peer.handler.onUnchoke();
  for (let i = 0; i < 4; i++) lab.answer(peer, 1);
  assert.equal((await first).value?.[0], 0);
  assert.equal((await chunks.next()).value?.[0], 1);
  const third = chunks.next();
  await settled();
  assert.ok(lab.deadlines.includes(6), 'two pieces on');
  await Promise.all([other, chunks.return(undefined), third.catch(() => undefined), feed(lab, peer)]);
  assert.deepEqual(
    lab.deadlines.filter((piece) => piece < 50),
    [],
  );
});

test('everything is read in order though everything is fetched, by readers who come at any time', async () => {
  const lab = new Lab();
  const peers = [lab.fake.connect(), lab.fake.connect()];
  for (const peer of peers) peer.handler.onUnchoke();
  const values = async (from: number, to: number): Promise<number[]> => {
    const read: number[] = [];
    for await (const bytes of lab.read(from, to)) read.push(bytes[0]!);
    return read;
  };
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  const reads = [values(0, PIECES), values(30, PIECES)];
  await settled();
  lab.answer(peers[0]!, 1);
  reads.push(values(10, 45));
  await Promise.all(peers.map((peer) => feed(lab, peer)));
  assert.deepEqual(await Promise.all(reads), [range(0, PIECES), range(30, PIECES), range(10, 45)]);
  assert.deepEqual(lab.deadlines, []);
  assert.equal(lab.fake.swarm.totals.wastedBytes, 0);
});

test('who waits for a piece when the torrent ends learns why, and leaves no deadline behind', async () => {
  const lab = new Lab();
  const read = lab.read(7, 9).next();
  await settled();
  assert.deepEqual(lab.deadlines, [7, 8]);
  lab.reader.close(new SwarmError('CLOSED', 'over'));
  await assert.rejects(read, { code: 'CLOSED' });
  assert.deepEqual(lab.deadlines, []);
});

/** The peer answers until it is asked for nothing more. */
async function feed(lab: Lab, peer: FakeConnection): Promise<void> {
  while (peer.requests.length > 0) {
    lab.answer(peer, 1);
    lab.fake.clock.advance(asMillis(5));
    await settled();
  }
}
