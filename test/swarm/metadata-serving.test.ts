import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METADATA_PIECE_BYTES } from '../../engine/policy/metadata-assembly.js';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const PARTS = 5;
const PIECES = 64;
/** A limit at which the metadata takes a twelfth of a second. */
const RATE = 64 * BLOCK_BYTES;

function seed(uploadRate: number): FakeSwarm {
  const have = [...Array(PIECES).keys()];
  const metadata = new Uint8Array(PARTS * METADATA_PIECE_BYTES - 100);
  const fake = new FakeSwarm({ pieces: PIECES, have, uploadRate, metadata });
  for (const piece of have) fake.store.cached.add(asPiece(piece));
  return fake;
}

let ports = 0;

/** A newcomer without pieces who asks for all of the metadata so many times. */
function askAll(fake: FakeSwarm, host: string, copies = 1): FakeConnection {
  const peer = new FakeConnection({ host, port: ++ports });
  fake.swarm.onIncoming(peer);
  for (let copy = 0; copy < copies; copy++)
    for (let piece = 0; piece < PARTS; piece++) peer.handler.onMetadata({ kind: 'request', piece });
  return peer;
}

const countOf = (peer: FakeConnection, word: string) =>
  peer.sent.filter((said) => said.startsWith(word)).length;
const partsOf = (peer: FakeConnection) => countOf(peer, 'metadata data');

/** Unchoked, and always asks for more than the limit lets pass. */
class Leecher {
  readonly #fake: FakeSwarm;
  readonly #peer: FakeConnection;

  constructor(fake: FakeSwarm) {
    this.#fake = fake;
    this.#peer = fake.connect([]);
    this.#peer.handler.onInterested();
    fake.clock.advance(1_000);
    assert.ok(this.#peer.sent.includes('unchoke'));
  }

  /** @param each called every 50 ms of virtual time */
  take(seconds: number, each: (tick: number) => void = () => {}): void {
    const due = Math.ceil(RATE / BLOCK_BYTES / 20);
    for (let tick = 0; tick < 20 * seconds; tick++) {
      for (let i = 0; i < due; i++) this.#peer.ask(asPiece((tick * due + i) % PIECES), 0, BLOCK_BYTES);
      each(tick);
      this.#fake.clock.advance(50);
      while (this.#peer.bufferedBytes > 0) this.#peer.flush();
    }
  }

  get takenBytes(): number {
    return this.#fake.swarm.totals.uploadedBytes;
  }
}

test('gives a newcomer the whole at once while uploads take all of the limit', () => {
  const fake = seed(RATE);
  const leecher = new Leecher(fake);
  leecher.take(5);
  assert.equal(partsOf(askAll(fake, '10.9.0.1')), PARTS);
  const before = leecher.takenBytes;
  leecher.take(5);
  assert.ok(leecher.takenBytes - before > 4.5 * RATE, `${leecher.takenBytes - before}`);
});

test('who asks again and again by new connections leaves three quarters of the limit to pieces', () => {
  const fake = seed(RATE);
  const leecher = new Leecher(fake);
  let parts = 0;
  leecher.take(30, (tick) => {
    const peer = askAll(fake, `10.9.${tick % 200}.1`, 3);
    parts += partsOf(peer);
    peer.disconnect();
  });
  assert.ok(leecher.takenBytes > 0.75 * 30 * RATE, `${leecher.takenBytes}`);
  assert.ok(leecher.takenBytes + parts * METADATA_PIECE_BYTES < 31 * RATE, 'the limit holds');
});

test('and leaves the whole to a newcomer from another network, at once', () => {
  const fake = seed(RATE);
  const leecher = new Leecher(fake);
  leecher.take(20, () => askAll(fake, '10.9.0.1', 3).disconnect());
  assert.equal(partsOf(askAll(fake, '10.8.0.1')), PARTS);
});

test('forgets after ten minutes that a network has had it', () => {
  const fake = seed(RATE);
  const given = (host: string): number => {
    const peer = askAll(fake, host);
    peer.disconnect();
    return partsOf(peer);
  };
  const drain = (host: string): void => {
    while (given(host) > 0);
  };
  drain('10.9.0.1');
  assert.equal(given('10.8.0.1'), PARTS);
  fake.clock.advance(590_000);
  drain('10.7.0.1');
  assert.equal(given('10.9.0.1'), 0);
  fake.clock.advance(20_000);
  drain('10.7.0.1');
  assert.equal(given('10.9.0.1'), PARTS);
});

test('answers everybody three times where uploads have no limit, and rejects what is more', () => {
  const fake = seed(0);
  for (let i = 0; i < 40; i++) {
    const peer = askAll(fake, '10.9.0.1', 4);
    assert.equal(partsOf(peer), 3 * PARTS);
    assert.equal(countOf(peer, 'metadata reject'), PARTS);
    peer.disconnect();
  }
});
