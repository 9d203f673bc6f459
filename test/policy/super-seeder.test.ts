import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SuperSeeder } from '../../engine/policy/super-seeder.js';
import { asPiece } from '../../engine/units.js';

const PIECES = 20;

/** As many pieces sent as anybody could account for. */
const SENT = PIECES;

function withPeers(peers: number, pieces = PIECES): SuperSeeder {
  const seeder = new SuperSeeder(pieces, () => 0.5);
  for (let peer = 0; peer < peers; peer++) seeder.onPeer(peer, `192.0.${peer}`);
  return seeder;
}

describe('a super seeder', () => {
  it('shows every piece once before it shows any twice, whoever comes and goes', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('come' as const), peer: fc.nat(7) }),
      fc.record({ kind: fc.constant('offer' as const), peer: fc.nat(7) }),
      fc.record({ kind: fc.constant('take' as const), peer: fc.nat(7) }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300, size: 'max' }),
        fc.integer({ min: 1, max: 5 }),
        (steps, audience) => {
          const seeder = withPeers(0);
          const here = new Set<number>();
          const shown = new Map<number, Set<number>>();
          const once = new Set<number>();
          for (const { kind, peer } of steps) {
            if (kind === 'come' && !here.has(peer)) {
              here.add(peer);
              shown.set(peer, new Set());
              seeder.onPeer(peer, `192.0.${peer}`);
            } else if (kind === 'offer') {
              const offer = seeder.next(audience, 2 * audience);
              if (offer === undefined) continue;
              const mine = shown.get(offer.peer)!;
              for (const piece of offer.pieces) {
                assert.ok(!mine.has(piece), 'nobody is shown a piece twice');
                mine.add(piece);
                assert.ok(!once.has(piece) || once.size === PIECES, 'a piece is shown again too early');
                once.add(piece);
              }
            } else if (kind === 'take' && here.has(peer)) {
              for (const piece of shown.get(peer)!) seeder.onPeerHave(peer, asPiece(piece), SENT);
            }
          }
        },
      ),
    );
  });

  it('serves as many peers at a time as it was told, and each further offer goes to the one with the fewest', () => {
    const seeder = withPeers(10);
    const peers = Array.from({ length: 6 }, () => seeder.next(3, 6)?.peer);
    assert.equal(new Set(peers).size, 3);
    for (const peer of new Set(peers)) assert.equal(peers.filter((other) => other === peer).length, 2);
    assert.equal(seeder.next(3, 6), undefined);
  });

  it('goes on with those who pass on what they get', () => {
    const seeder = withPeers(2);
    const keeper = seeder.next(1, 1)!;
    seeder.onPeerHave(keeper.peer, keeper.pieces[0]!, SENT);
    const giver = seeder.next(1, 1)!;
    assert.notEqual(giver.peer, keeper.peer);
    seeder.onPeerHave(giver.peer, giver.pieces[0]!, SENT);
    seeder.onPeerHave(keeper.peer, giver.pieces[0]!, SENT);
    assert.equal(seeder.next(1, 1)!.peer, giver.peer);
  });

  it('shows nobody what others were seen to have, while there is more', () => {
    const seeder = withPeers(2);
    for (let piece = 1; piece < PIECES; piece++) seeder.onPeerHave(1, asPiece(piece), 0);
    assert.deepEqual(seeder.next(1, 9), { peer: 0, pieces: [asPiece(0)] });
  });

  it('gives the pieces of who takes nothing, or leaves, to others', () => {
    const seeder = withPeers(1, 1);
    seeder.onInterest(0, true);
    const first = seeder.next(1, 1)!;
    seeder.onPeer(7, '192.0.7');
    seeder.onInterest(7, true);
    assert.equal(seeder.next(1, 1), undefined);
    for (let i = 0; i < 2; i++) assert.deepEqual(seeder.onIdle(0), []);
    assert.deepEqual(seeder.next(1, 1), { peer: 7, pieces: first.pieces });
    seeder.onPeerLeft(7);
    seeder.onPeer(8, '192.0.8');
    seeder.onInterest(8, true);
    assert.deepEqual(seeder.next(1, 1), { peer: 8, pieces: first.pieces });
  });

  it('shows who takes nothing more and more', () => {
    const seeder = withPeers(1, 500);
    seeder.next(1, 1);
    const counts = Array.from({ length: 18 }, () => seeder.onIdle(0).length).filter((count) => count > 0);
    assert.deepEqual(counts, [2, 4, 8, 16, 32, 64, 128, 243]);
  });

  it('shows the next peer a piece, however many another holds', () => {
    const seeder = withPeers(2);
    for (const piece of seeder.showMore(0, PIECES)) seeder.onRequest(0, piece);
    assert.equal(seeder.next(2, 2)?.peer, 1);
    assert.equal(seeder.next(2, 2), undefined);
  });

  it('does not count what a peer was shown before it was shown everything and has not asked for', () => {
    const seeder = withPeers(1);
    const [asked] = seeder.next(1, 3)!.pieces;
    for (let i = 0; i < 2; i++) seeder.next(1, 3);
    seeder.onRequest(0, asked!);
    assert.equal(seeder.underWay, 3);
    seeder.onInterest(0, true);
    seeder.showMore(0, PIECES);
    assert.equal(seeder.underWay, 1);
    seeder.onPeer(1, '192.0.1');
    const others = Array.from({ length: 15 }, () => seeder.next(2, PIECES)!);
    assert.ok(others.every(({ peer, pieces }) => peer === 1 && !pieces.includes(asked!)));
  });

  it('passes over who can be shown nothing more', () => {
    const seeder = withPeers(2);
    seeder.onPeerHave(0, asPiece(0), 0);
    seeder.onInterest(0, true);
    assert.equal(seeder.showMore(0, PIECES).length, PIECES - 1);
    for (let i = 0; i < 3; i++) assert.equal(seeder.next(1, 3)?.peer, 1);
  });

  it('counts whom it can serve: neither who asks for nothing nor who lacks nothing', () => {
    const seeder = withPeers(3);
    assert.equal(seeder.servable, 3);
    const first = seeder.next(1, 1)!;
    for (let i = 0; i < 2; i++) seeder.onIdle(first.peer);
    assert.equal(seeder.servable, 2);
    const other = (first.peer + 1) % 3;
    for (let piece = 0; piece < PIECES; piece++) seeder.onPeerHave(other, asPiece(piece), 0);
    assert.equal(seeder.servable, 1);
    seeder.onRequest(first.peer, first.pieces[0]!);
    assert.equal(seeder.servable, 2, 'it asks again');
    seeder.onPeerLeft(first.peer);
    assert.equal(seeder.servable, 1);
  });

  it('gives the place of who asks for nothing to others', () => {
    const seeder = withPeers(2);
    const first = seeder.next(1, 1)!.peer;
    for (let i = 0; i < 2; i++) seeder.onIdle(first);
    assert.equal(seeder.next(1, 1)!.peer, 1 - first);
  });

  it('goes on with the others once who was shown many asks for one: also for one it was shown long before', () => {
    const seeder = withPeers(2);
    const [first] = seeder.next(1, 1)!.pieces;
    while (seeder.onIdle(0).length < 8);
    seeder.onRequest(0, first!);
    assert.deepEqual(seeder.onIdle(0), [], 'it is not idle');
    assert.equal(seeder.next(2, 2)?.peer, 1);
    assert.equal(seeder.next(2, 2), undefined, 'two are under way');
  });

  it('takes the place of who is sent more than it is shown and never has any of it, until it has', () => {
    const seeder = withPeers(2);
    const [first] = seeder.next(1, 1)!.pieces;
    seeder.onRequest(0, first!);
    seeder.review(0, 1, 100);
    seeder.review(0, 2, 100);
    assert.equal(seeder.next(1, 1), undefined, 'one piece and another, as it may have lost one');
    seeder.review(0, 2.1, 100);
    assert.equal(seeder.next(1, 1)?.peer, 1);
    seeder.onRequest(0, first!);
    assert.equal(seeder.servable, 1, 'asking does not help it');
    seeder.onPeerHave(0, first!, 3);
    assert.equal(seeder.servable, 2);
  });

  it('takes the place of who has nothing for so many reviews, and of nobody who gets on or asks for nothing', () => {
    const seeder = withPeers(3);
    const [slow, quick] = [seeder.next(3, 3)!, seeder.next(3, 3)!];
    seeder.next(3, 3);
    seeder.onRequest(slow.peer, slow.pieces[0]!);
    seeder.onRequest(quick.peer, quick.pieces[0]!);
    for (let review = 1; review <= 10; review++) {
      if (review === 5) {
        seeder.onPeerHave(quick.peer, quick.pieces[0]!, 1);
        const next = seeder.next(3, 3);
        assert.equal(next?.peer, quick.peer);
        seeder.onRequest(quick.peer, next!.pieces[0]!);
      }
      for (let peer = 0; peer < 3; peer++) seeder.review(peer, review / 10, 10);
      assert.equal(seeder.servable, review < 10 ? 3 : 2);
    }
  });

  it('serves no more of one network than a quarter, while others wait', () => {
    const seeder = new SuperSeeder(PIECES, () => 0.5);
    for (let peer = 0; peer < 6; peer++) seeder.onPeer(peer, '192.0.2');
    seeder.onPeer(6, '198.51.100');
    seeder.onPeer(7, '203.0.113');
    const served = [1, 2, 3, 4].map(() => seeder.next(4, 4)!.peer);
    assert.deepEqual(served, [0, 6, 7, 1], 'who is alone of its network goes first, then whoever is there');
  });

  it('waits for who has asked', () => {
    const seeder = withPeers(1);
    seeder.onRequest(0, seeder.next(1, 1)!.pieces[0]!);
    for (let i = 0; i < 3; i++) assert.deepEqual(seeder.onIdle(0), []);
  });

  it('shows the last two together: who becomes a seed before the eyes of a peer that wants nothing is hung up on', () => {
    const seeder = withPeers(1, 4);
    const offered: number[][] = [];
    for (let i = 0; i < 4; i++) {
      const offer = seeder.next(1, 1);
      if (offer === undefined) break;
      offered.push([...offer.pieces]);
      for (const piece of offer.pieces) seeder.onPeerHave(0, piece, SENT);
    }
    assert.deepEqual(
      offered.map((pieces) => pieces.length),
      [1, 1, 2],
    );
  });

  it('keeps two pieces from who may not have looked at its files yet', () => {
    const seeder = withPeers(1, 4);
    assert.equal(seeder.showMore(0, 9).length, 2);
    seeder.onInterest(0, true);
    assert.equal(seeder.showMore(0, 9).length, 2);
  });

  it('shows the rest a part at a time', () => {
    const seeder = withPeers(1);
    seeder.onInterest(0, true);
    const piece = seeder.next(1, 1)!.pieces[0]!;
    seeder.onPeerHave(0, asPiece(piece === 3 ? 4 : 3), SENT);
    const shown = [...seeder.showMore(0, 15), ...seeder.showMore(0, 15)];
    assert.equal(shown.length, PIECES - 2);
    assert.equal(new Set(shown).size, shown.length);
    assert.ok(!shown.includes(piece));
  });

  it('is done when each piece is at somebody whom it was sent to, whatever became of the offer', () => {
    const seeder = withPeers(2, 4);
    for (let peer = 0; peer < 2; peer++) seeder.onInterest(peer, true);
    for (let taken = 1; !seeder.isShown && taken < 9; taken++) {
      const { peer, pieces } = seeder.next(1, 1)!;
      assert.ok(!seeder.isSpread(true));
      // Found idle twice, it is shown more instead of this.
      if (taken === 1) for (let i = 0; i < 2; i++) seeder.onIdle(peer);
      for (const piece of pieces) seeder.onPeerHave(peer, piece, taken);
    }
    for (let i = 0; i < 9 && !seeder.isSpread(false); i++) {
      const offer = seeder.next(2, 9);
      for (const piece of offer?.pieces ?? []) seeder.onPeerHave(offer!.peer, piece, SENT);
    }
    assert.ok(seeder.isSpread(false));
  });

  it('believes what more than a quarter have, once it trusts: a second seed is at work', () => {
    const seeder = withPeers(8);
    for (let peer = 0; peer < 3; peer++) {
      assert.ok(!seeder.isSpread(true));
      for (let piece = 0; piece < PIECES; piece++) seeder.onPeerHave(peer, asPiece(piece), 0);
    }
    assert.ok(!seeder.isSpread(false));
    assert.ok(seeder.isSpread(true));
  });

  it('is not ended by a quarter that lies, whatever they say, and shows each piece to the others once first', () => {
    const lie = fc.record({ liar: fc.nat(), piece: fc.nat(PIECES - 1), before: fc.nat(40) });
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.array(lie, { maxLength: 120, size: 'max' }),
        fc.boolean(),
        (peers, lies, areGreedy) => {
          const liars = Math.max(1, Math.floor(peers / 4));
          const seeder = withPeers(peers);
          const toOthers: number[] = [];
          let sent = 0;
          for (let turn = 0; toOthers.length < PIECES; turn++) {
            assert.ok(turn < 50 * PIECES, 'the others get everything in the end');
            for (const { liar, piece, before } of lies) {
              if (before === turn) seeder.onPeerHave(liar % liars, asPiece(piece), 0);
            }
            assert.ok(!seeder.isSpread(true), 'some pieces are with nobody yet');
            const offer = seeder.next(2, 4);
            if (offer === undefined) break;
            const isLiar = offer.peer < liars;
            if (isLiar && !areGreedy) {
              for (let i = 0; i < 2; i++) seeder.onIdle(offer.peer);
              continue;
            }
            for (const piece of offer.pieces) {
              if (!isLiar && !toOthers.includes(piece)) toOthers.push(piece);
              seeder.onPeerHave(offer.peer, piece, isLiar ? 0 : ++sent);
            }
          }
          assert.ok(new Set(toOthers).size === PIECES, 'each is shown to an honest one');
          assert.ok(sent <= 2 * PIECES, `${sent} sent`);
        },
      ),
    );
  });

  it('finds the one piece that somebody lacks among many, so that all others do not wait for it', () => {
    const pieces = 5_000;
    for (let lacking = 0; lacking < pieces; lacking += 300) {
      const seeder = withPeers(1, pieces);
      seeder.onInterest(0, true);
      seeder.next(1, 1);
      // Asking for nothing, it is shown more and more.
      for (let checks = 0; checks < 40; checks++) seeder.onIdle(0);
      seeder.onPeer(1, '192.0.1');
      for (let piece = 0; piece < pieces; piece++)
        if (piece !== lacking) seeder.onPeerHave(1, asPiece(piece), pieces);
      assert.deepEqual(seeder.next(1, 1), { peer: 1, pieces: [lacking] });
    }
  });

  it('puts behind the others who says it has what it was shown and not sent', () => {
    const seeder = withPeers(2);
    const liar = seeder.next(1, 1)!;
    seeder.onPeerHave(liar.peer, liar.pieces[0]!, 0);
    const honest = seeder.next(1, 1)!;
    assert.notEqual(honest.peer, liar.peer);
    seeder.onPeerHave(honest.peer, honest.pieces[0]!, 1);
    seeder.onPeerHave(liar.peer, honest.pieces[0]!, 0);
    assert.equal(seeder.next(1, 1)!.peer, honest.peer);
  });
});
