import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { type FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const ALL = [...Array(8).keys()];
const shownTo = (sent: readonly string[]): string[] => sent.filter((word) => word.startsWith('have'));

test('a seed begins as if it had nothing, and shows each leecher pieces of its own', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'auto' });
  const peers = [fake.connect([]), fake.connect([]), fake.connect([])];
  for (const peer of peers) {
    assert.equal(peer.sent[0], 'bitfield 0');
  }
  const shown = peers.flatMap((peer) => shownTo(peer.sent));
  assert.ok(shown.length >= 3);
  assert.equal(new Set(shown).size, shown.length);
});

test('who has what it was shown is shown the next', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'auto' });
  const peer = fake.connect([]);
  const before = shownTo(peer.sent);
  for (const word of before) peer.handler.onHave(asPiece(Number(word.slice(5))));
  peer.handler.onReadEnd();
  assert.ok(shownTo(peer.sent).length > before.length);
});

test('once all pieces were seen at others for a while it shows everything, to those who come as well', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'auto' });
  const first = fake.connect([0, 1, 2, 3]);
  fake.connect([4, 5, 6, 7]);
  fake.connect([0, 1, 2, 3, 4]);
  fake.connect([3, 4, 5, 6, 7]);
  fake.clock.advance(25_000);
  assert.equal(fake.connect([]).sent[0], 'bitfield 0');
  fake.clock.advance(10_000);
  for (const piece of [4, 5, 6, 7]) assert.ok(first.sent.includes(`have ${piece}`));
  assert.equal(fake.connect([]).sent[0], 'bitfield 8');
});

test('who says it has everything, or nearly, ends nothing', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'auto' });
  for (let i = 0; i < 4; i++) fake.connect([]);
  fake.connect([1, 2, 3, 4, 5, 6, 7]);
  assert.equal(fake.connect(ALL).closed, 'both have everything');
  fake.clock.advance(120_000);
  assert.equal(fake.connect([]).sent[0], 'bitfield 0');
});

test('when it is to, it never shows everything', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'on' });
  fake.connect([0, 1, 2, 3]);
  fake.connect([4, 5, 6, 7]);
  fake.clock.advance(2_000);
  assert.equal(fake.connect([]).sent[0], 'bitfield 0');
});

test('who has not everything is no super-seed', () => {
  const fake = new FakeSwarm({ pieces: 8, have: [0, 1], superSeed: 'auto' });
  assert.equal(fake.connect([]).sent[0], 'bitfield 2');
});

test('who wants none of the pieces that it is shown is soon shown others', () => {
  const fake = new FakeSwarm({ pieces: 64, have: [...Array(64).keys()], superSeed: 'on' });
  const picky = fake.connect([]);
  fake.connect([]);
  fake.clock.advance(20_000);
  assert.ok(shownTo(picky.sent).length > 30);
});

test('a peer that stays alone is shown everything', () => {
  const fake = new FakeSwarm({ pieces: 64, have: [...Array(64).keys()], superSeed: 'auto' });
  const only = fake.connect([]);
  only.handler.onInterested();
  fake.clock.advance(8_000);
  assert.equal(shownTo(only.sent).length, 64);
});

test('a peer that is alone and asks for nothing of what it is shown is shown everything at once', () => {
  const fake = new FakeSwarm({ pieces: 64, have: [...Array(64).keys()], superSeed: 'auto' });
  const only = fake.connect([]);
  only.handler.onInterested();
  fake.clock.advance(1_100);
  assert.equal(shownTo(only.sent).length, 64);
});

test('the seed of a few pieces has nothing to share out', () => {
  const fake = new FakeSwarm({ pieces: 2, have: [0, 1], superSeed: 'auto' });
  assert.equal(fake.connect([]).sent[0], 'bitfield 2');
});

test('a crowd that asks for nothing does not keep a seed from who does', () => {
  const fake = new FakeSwarm({ pieces: 64, have: [...Array(64).keys()], superSeed: 'auto', maxPeers: 300 });
  for (let i = 0; i < 70; i++) fake.connect([]);
  const honest = fake.connect([]);
  fake.clock.advance(15_000);
  assert.ok(shownTo(honest.sent).length > 0);
});

test('who becomes interested only after all was shown is shown the last pieces too', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'auto' });
  fake.connect([0, 1, 2, 3]);
  fake.connect([4, 5, 6, 7]);
  fake.connect([0, 1, 2, 3, 4]);
  fake.connect([3, 4, 5, 6, 7]);
  const late = fake.connect([]);
  fake.clock.advance(40_000);
  assert.ok(shownTo(late.sent).length < 8, 'it may not have looked at its own files yet');
  late.handler.onInterested();
  assert.equal(shownTo(late.sent).length, 8);
});

test('who comes after everything was shown sees it at once, whoever else holds back', () => {
  const fake = new FakeSwarm({ pieces: 8, have: ALL, superSeed: 'auto' });
  fake.connect([0, 1, 2, 3]);
  fake.connect([4, 5, 6, 7]);
  fake.connect([0, 1, 2, 3, 4]);
  fake.connect([3, 4, 5, 6, 7]);
  fake.connect([]);
  fake.clock.advance(40_000);
  assert.equal(fake.connect([]).sent[0], 'bitfield 8');
});

test('two super-seeds of ours tell each other so, and part; nobody else is told', () => {
  const fake = new FakeSwarm({ pieces: 64, have: [...Array(64).keys()], superSeed: 'auto' });
  const other = fake.connect([]);
  other.handler.onExtendedHandshake({ client: 'libtorrent 2.0.8', extensions: new Set() });
  assert.equal(
    other.sent.includes('upload only true'),
    false,
    'it hangs up on who wants nothing and shows nothing',
  );

  const fellow = fake.connect([]);
  fellow.handler.onExtendedHandshake({ client: 'swarm 9.9.9', extensions: new Set(['ut_pex']) });
  fellow.handler.onExtendedHandshake({ client: 'swarm 9.9.9', extensions: new Set(['ut_pex']) });
  assert.equal(fellow.sent.filter((word) => word === 'upload only true').length, 1);
  fellow.handler.onExtendedHandshake({ uploadOnly: true, extensions: new Set(['ut_pex']) });
  assert.equal(fellow.closed, 'it wants nothing either');
});

const BLOCKS = 64;
const STEP_MS = 100;

/** A leecher that asks for a block of what it was shown at a time, and says what it has got whole. */
class Taker {
  readonly had = new Set<number>();
  /** How often it had all that it was shown, for a moment. */
  contentments = 0;
  #piece: number | undefined;
  #blocks = 0;

  constructor(
    readonly connection: FakeConnection,
    readonly blocksPerPiece = BLOCKS,
  ) {}

  get shown(): number[] {
    const pieces = shownTo(this.connection.sent).map((word) => Number(word.slice(5)));
    return pieces.filter((piece) => !this.had.has(piece));
  }

  get isUnchoked(): boolean {
    const { sent } = this.connection;
    return sent.lastIndexOf('unchoke') > sent.lastIndexOf('choke');
  }

  /** Of what it was shown last, as good as at random. */
  ask(): void {
    this.#piece ??= this.shown.at(-1);
    if (this.#piece === undefined || !this.isUnchoked) return;
    const piece = asPiece(this.#piece);
    this.connection.ask(piece, this.#blocks * BLOCK_BYTES, BLOCK_BYTES);
    if (++this.#blocks < this.blocksPerPiece) return;
    this.connection.flush();
    this.#piece = undefined;
    this.#blocks = 0;
    this.had.add(piece);
    if (this.shown.length === 0) this.contentments++;
    this.connection.handler.onHave(piece);
    this.connection.handler.onReadEnd();
  }
}

function eightTakers(): { fake: FakeSwarm; takers: Taker[] } {
  const pieces = 500;
  const have = [...Array(pieces).keys()];
  const fake = new FakeSwarm({ pieces, blocksPerPiece: BLOCKS, have, superSeed: 'auto' });
  for (const piece of have) fake.store.cached.add(asPiece(piece));
  const takers = Array.from({ length: 8 }, () => new Taker(fake.connect([])));
  for (const { connection } of takers) connection.handler.onInterested();
  return { fake, takers };
}

const offersOf = (takers: readonly Taker[]): number =>
  takers.reduce((sum, { shown }) => sum + shown.length, 0);

test('a quick seed shows pieces to some of its peers at a time, so that each is soon with somebody', () => {
  const { fake, takers } = eightTakers();
  for (let step = 0; step < 450; step++) {
    for (const taker of takers) {
      taker.ask();
      taker.connection.flush();
    }
    fake.clock.advance(STEP_MS);
    if (step < 350) continue;
    // Its slots would do for all eight; what it sends in 2.5 s is less than six pieces.
    assert.ok(takers.every(({ isUnchoked }) => isUnchoked));
    assert.ok(offersOf(takers) <= 6, `${offersOf(takers)} offers at step ${step}`);
    assert.ok(takers.every(({ shown }) => shown.length <= 1));
    assert.ok(offersOf(takers) >= 4);
  }
  assert.ok(takers.every(({ had }) => had.size > 1));
});

test('those who stop reading what they were shown do not keep a quick seed from the others', () => {
  const { fake, takers } = eightTakers();
  for (let step = 0; step < 350; step++) {
    for (const taker of takers) {
      taker.ask();
      taker.connection.flush();
    }
    fake.clock.advance(STEP_MS);
  }
  const others = takers.filter(({ shown }) => shown.length === 0);
  assert.ok(others.length > 0);
  for (const taker of takers) taker.ask();
  fake.clock.advance(5_000);
  assert.ok(others.every(({ shown }) => shown.length > 0));
});

const FEW_BLOCKS = 4;

/**
 * A leecher that reads a block a second was alone for ten seconds, and shown everything; then one comes that asks for so
 * many blocks a second, for twenty seconds.
 */
function besideSlow(blocksPerSecond: number, onAlone = (_slow: Taker): void => {}): Taker {
  const have = [...Array(64).keys()];
  const fake = new FakeSwarm({ pieces: 64, blocksPerPiece: FEW_BLOCKS, have, superSeed: 'auto' });
  for (const piece of have) fake.store.cached.add(asPiece(piece));
  const comes = (): Taker => {
    const taker = new Taker(fake.connect([]), FEW_BLOCKS);
    taker.connection.handler.onInterested();
    return taker;
  };
  const slow = comes();
  const takesOne = (): void => {
    slow.ask();
    slow.connection.flush(1);
  };
  for (let second = 0; second < 10; second++) {
    takesOne();
    fake.clock.advance(1_000);
  }
  onAlone(slow);
  const other = comes();
  for (let at = 0; at < 20 * blocksPerSecond; at++) {
    if (at % blocksPerSecond === 0) takesOne();
    other.ask();
    other.connection.flush();
    fake.clock.advance(1_000 / blocksPerSecond);
  }
  return other;
}

test('a slow peer that was shown everything while alone keeps nobody else waiting', () => {
  assert.equal(besideSlow(100).had.size, 64);
});

test('nor does a slow peer that has asked for everything', () => {
  const quick = besideSlow(100, (slow) => {
    for (const piece of slow.shown) {
      for (let block = 0; block < FEW_BLOCKS; block++) {
        slow.connection.ask(asPiece(piece), block * BLOCK_BYTES, BLOCK_BYTES);
      }
    }
  });
  assert.equal(quick.had.size, 64);
});

test('where there are few, who takes its pieces always wants another', () => {
  const taker = besideSlow(2, (slow) => {
    for (const piece of slow.shown.slice(0, 2)) slow.connection.ask(asPiece(piece), 0, BLOCK_BYTES);
  });
  assert.ok(taker.had.size >= 8);
  assert.ok(taker.contentments <= 1, `${taker.contentments} times it had all that it was shown`);
});

test('those who ask for the same block again and again lose their places, whoever asked first', () => {
  const have = [...Array(64).keys()];
  const fake = new FakeSwarm({ pieces: 64, blocksPerPiece: FEW_BLOCKS, have, superSeed: 'auto' });
  for (const piece of have) fake.store.cached.add(asPiece(piece));
  const stuck = Array.from({ length: 3 }, () => new Taker(fake.connect([]), FEW_BLOCKS));
  for (const { connection } of stuck) connection.handler.onInterested();
  const honest = Array.from({ length: 2 }, () => new Taker(fake.connect([]), FEW_BLOCKS));
  for (const { connection } of honest) connection.handler.onInterested();
  for (let second = 0; second < 60; second++) {
    for (const { connection, shown } of stuck) {
      const piece = shown[0];
      if (piece !== undefined) connection.ask(asPiece(piece), 0, BLOCK_BYTES);
      connection.flush();
    }
    for (const taker of honest) {
      for (let block = 0; block < 2 * FEW_BLOCKS; block++) taker.ask();
      taker.connection.flush();
    }
    fake.clock.advance(1_000);
  }
  const had = new Set(honest.flatMap((taker) => [...taker.had]));
  assert.ok(had.size > 40, `${had.size} pieces`);
});

test('peers that are silent are shown no more than so much a second, all together', () => {
  const pieces = 20_000;
  const have = [...Array(pieces).keys()];
  const fake = new FakeSwarm({ pieces, have, superSeed: 'on', maxPeers: 100 });
  const silent = Array.from({ length: 25 }, () => fake.connect([]));
  const countShown = (): number => silent.reduce((sum, { sent }) => sum + shownTo(sent).length, 0);
  let before = countShown();
  for (let second = 0; second < 60; second++) {
    fake.clock.advance(1_000);
    const now = countShown();
    assert.ok(now - before <= 3_100, `${now - before} in second ${second}`);
    before = now;
  }
  assert.ok(
    silent.every(({ sent }) => shownTo(sent).length > 100),
    'each its part',
  );
});

test('what a peer says again, or of many pieces at once, is looked at once', () => {
  const pieces = 1_000;
  const have = [...Array(pieces).keys()];
  const fake = new FakeSwarm({ pieces, have, superSeed: 'on' });
  const others = Array.from({ length: 8 }, () => fake.connect([]));
  const teller = fake.connect([]);
  const saidBefore = others.map(({ sent }) => sent.length);
  for (const piece of have.slice(1)) teller.handler.onHave(asPiece(piece));
  assert.deepEqual(
    others.map(({ sent }) => sent.length),
    saidBefore,
  );
  teller.handler.onReadEnd();
  for (const piece of have.slice(1)) teller.handler.onHave(asPiece(piece));
  teller.handler.onReadEnd();
  assert.equal(teller.closed, undefined);
});
