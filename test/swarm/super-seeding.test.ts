import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPiece } from '../../engine/units.js';
import { FakeSwarm } from '../support/fake-swarm.js';

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
