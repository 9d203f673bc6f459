import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { PiecePicker } from '../../engine/policy/piece-picker.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { asMillis, asPiece } from '../../engine/units.js';
import { field, seededRng } from './drawings.js';

const pickerOf = (pieceCount: number, rng: () => number = seededRng(1)): PiecePicker =>
  new PiecePicker(new TorrentGeometry(16_384, pieceCount * 16_384), rng);

/** A picker over the random start: the pieces at the end, which no test looks at, are had. */
function startedPicker(pieceCount: number, rng?: () => number): PiecePicker {
  const picker = pickerOf(pieceCount + 4, rng);
  for (let i = 0; i < 4; i++) picker.onPieceHave(asPiece(pieceCount + i));
  return picker;
}

const padded = (drawing: string): Bitfield => field(`${drawing}0000`);

describe('PiecePicker', () => {
  it('picks the rarest piece that the peer has', () => {
    const picker = startedPicker(4);
    for (const peer of ['1111', '1101', '0101', '1001']) picker.onPeerPieces(padded(peer));
    // Availability 3, 3, 1, 4.
    assert.equal(picker.pick(padded('1111')), 2);
    assert.equal(picker.pick(padded('0001')), 3);
    assert.equal(picker.pick(padded('0000')), -1);
  });

  it('follows have messages and departures', () => {
    const picker = startedPicker(3);
    picker.onPeerPieces(padded('110'));
    picker.onPeerPieces(padded('011'));
    assert.deepEqual([...picker.availability()], [1, 2, 1, 0, 0, 0, 0]);
    picker.onPeerHave(asPiece(0));
    picker.onPeerHave(asPiece(0));
    assert.equal(picker.pick(padded('111')), 2);
    picker.onPeerLeft(padded('110'));
    picker.onPeerHave(asPiece(2));
    assert.deepEqual([...picker.availability()], [2, 1, 2, 0, 0, 0, 0]);
    assert.equal(picker.pick(padded('111')), 1);
  });

  it('breaks ties at random', () => {
    const picker = startedPicker(8);
    picker.onPeerPieces(padded('11111111'));
    const seen = new Set<number>();
    for (let i = 0; i < 200; i++) seen.add(picker.pick(padded('11111111')));
    assert.equal(seen.size, 8);
  });

  it('takes the first four pieces at random, whatever their rarity, and rarest first after', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const picker = pickerOf(6, seededRng(seed));
      for (const peer of ['111110', '111110']) picker.onPeerPieces(field(peer));
      picker.onPeerPieces(Bitfield.full(6));
      seen.add(picker.pick(Bitfield.full(6)));
      for (let i = 0; i < 4; i++) picker.onPieceBegun(asPiece(i));
      assert.equal(picker.pick(Bitfield.full(6)), 5);
    }
    assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
  });

  it('counts an abandoned piece among the first four no more', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const picker = pickerOf(8, seededRng(seed));
      picker.onPeerPieces(Bitfield.full(8));
      picker.onPeerPieces(field('11111110'));
      for (let i = 0; i < 4; i++) picker.onPieceBegun(asPiece(i));
      picker.onPieceAbandoned(asPiece(0));
      seen.add(picker.pick(Bitfield.full(8)));
    }
    assert.ok(seen.size > 1);
  });

  it('goes by index from a given piece on, then takes what is before it', () => {
    const picker = pickerOf(70);
    const has = Bitfield.full(70);
    picker.onPeerPieces(has);
    picker.setSequential(true, asPiece(37));
    const order: number[] = [];
    for (let piece = picker.pick(has); piece >= 0; piece = picker.pick(has)) {
      order.push(piece);
      picker.onPieceBegun(asPiece(piece));
    }
    const expected = Array.from({ length: 70 }, (_, i) => (37 + i) % 70);
    assert.deepEqual(order, expected);
    assert.deepEqual(
      expected.map((piece) => picker.sequentialRank(asPiece(piece))),
      [...Array(70).keys()],
    );
  });

  it('goes by the same order among the pieces that are allowed while choked', () => {
    const picker = pickerOf(10);
    picker.onPeerPieces(field('1010101010'));
    const allowed = [8, 2, 5, 4].map(asPiece);
    assert.equal(picker.pickAmong(allowed, Bitfield.full(10)), 5, 'the rarest');
    picker.setSequential(true, asPiece(3));
    assert.equal(picker.pickAmong(allowed, Bitfield.full(10)), 4);
    picker.onPieceBegun(asPiece(4));
    picker.onPieceBegun(asPiece(5));
    assert.equal(picker.pickAmong(allowed, Bitfield.full(10)), 8);
    picker.onPieceBegun(asPiece(8));
    assert.equal(picker.pickAmong(allowed, Bitfield.full(10)), 2);
  });

  it('goes by index when sequential, abandoned pieces included', () => {
    const picker = pickerOf(100);
    picker.setSequential(true);
    picker.onPeerPieces(Bitfield.full(100));
    for (let i = 0; i < 98; i++) {
      assert.equal(picker.pick(Bitfield.full(100)), i);
      picker.onPieceBegun(asPiece(i));
    }
    picker.onPieceAbandoned(asPiece(3));
    assert.equal(picker.pick(Bitfield.full(100)), 3);
  });

  it('gives deadlines to missing pieces only, and ends them with the piece', () => {
    const picker = pickerOf(4);
    const has = Bitfield.full(4);
    const due = (): number[] => [0, 1, 2, 3].filter((i) => picker.deadlineOf(asPiece(i)) < Infinity);
    picker.setWanted(field('1110'));
    picker.onPieceHave(asPiece(0));
    for (const index of [0, 1, 2, 3]) picker.setDeadline(asPiece(index), asMillis(10 * index));
    assert.deepEqual(due(), [1, 2], 'one is had, one is not wanted');
    picker.onPieceBegun(asPiece(1));
    assert.equal(picker.pickDue(has, asMillis(0), asMillis(0)), 2, 'piece 1 is begun');
    picker.onPieceAbandoned(asPiece(1));
    assert.equal(picker.pickDue(has, asMillis(0), asMillis(0)), 1);
    assert.equal(picker.pickDue(field('0000'), asMillis(0), asMillis(0)), -1);
    picker.onPieceHave(asPiece(1));
    assert.deepEqual(due(), [2]);
    picker.setWanted(field('1101'));
    assert.deepEqual(due(), []);
    assert.equal(picker.deadlineCount, 0);
    assert.equal(picker.pickDue(has, asMillis(0), asMillis(0)), -1);
    assert.equal(picker.pick(has), 3, 'the rest goes on by rarity');
  });

  it('keeps a cleared deadline cleared, and an overdue one first', () => {
    const picker = startedPicker(6);
    const has = padded('111111');
    picker.onPeerPieces(has);
    picker.setDeadline(asPiece(5), asMillis(10));
    picker.setDeadline(asPiece(4), asMillis(20));
    assert.equal(picker.pickDue(has, asMillis(1_000), asMillis(2_000)), 5);
    picker.clearDeadline(asPiece(5));
    picker.clearDeadline(asPiece(3));
    assert.equal(picker.pickDue(has, asMillis(1_000), asMillis(2_000)), 4);
    assert.deepEqual([picker.deadlineCount, picker.openCount], [1, 6]);
  });

  it('goes by deadlines first among the pieces that are allowed while choked', () => {
    const picker = pickerOf(10);
    picker.onPeerPieces(field('1010101010'));
    picker.setDeadline(asPiece(8), asMillis(20));
    picker.setDeadline(asPiece(2), asMillis(10));
    picker.setDeadline(asPiece(0), asMillis(0));
    const allowed = [8, 2, 5, 4].map(asPiece);
    assert.equal(picker.pickAmong(allowed, Bitfield.full(10)), 2);
    assert.equal(picker.pickAmong(allowed, field('0000010010')), 8);
  });

  it('picks nothing that is unwanted, begun or had', () => {
    const picker = pickerOf(4);
    picker.setWanted(field('0111'));
    picker.onPieceBegun(asPiece(1));
    picker.onPieceHave(asPiece(2));
    for (let i = 0; i < 50; i++) assert.equal(picker.pick(Bitfield.full(4)), 3);
    assert.equal(picker.wantedLeft, 2);
    assert.equal(picker.wantedMissingCount(field('1110')), 1);
    assert.equal(picker.isMissing(asPiece(0)), false);
    picker.setWanted(field('1000'));
    assert.equal(picker.pick(Bitfield.full(4)), 0);
  });

  it('counts a peer that became full piece by piece, in whatever order the full ones leave', () => {
    const picker = pickerOf(3);
    picker.onPeerPieces(field('110'));
    picker.onPeerHave(asPiece(2));
    picker.onPeerPieces(Bitfield.full(3));
    picker.onPeerLeft(Bitfield.full(3));
    assert.deepEqual([...picker.availability()], [1, 1, 1]);
    picker.onPeerLeft(Bitfield.full(3));
    assert.deepEqual([...picker.availability()], [0, 0, 0]);
  });

  it('caps what it shows at 255 but counts on', () => {
    const picker = startedPicker(2);
    for (let i = 0; i < 300; i++) picker.onPeerPieces(padded('10'));
    for (let i = 0; i < 280; i++) picker.onPeerPieces(padded('01'));
    assert.deepEqual([...picker.availability()].slice(0, 2), [255, 255]);
    for (let i = 0; i < 295; i++) picker.onPeerLeft(padded('10'));
    assert.equal(picker.pick(padded('11')), 0);
    for (let i = 0; i < 279; i++) picker.onPeerLeft(padded('01'));
    assert.equal(picker.pick(padded('11')), 1);
  });

  it('finds the only piece of a peer behind thousands of rarer ones', () => {
    const pieceCount = 20_000;
    const picker = pickerOf(pieceCount);
    const common = new Bitfield(pieceCount);
    for (let piece = 10_000; piece < pieceCount; piece++) common.set(asPiece(piece));
    for (let i = 0; i < 3; i++) picker.onPeerPieces(common);
    for (let i = 0; i < 4; i++) picker.onPieceHave(asPiece(i));
    const lone = new Bitfield(pieceCount);
    lone.set(asPiece(15_123));
    assert.equal(picker.pick(lone), 15_123);
    const picked = picker.pick(common);
    assert.ok(picked >= 10_000);
  });

  it('finds the rarest of all that a peer has, though far from the rarest of the torrent', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const rng = seededRng(seed);
        const pieceCount = 4_000;
        const picker = pickerOf(pieceCount, rng);
        for (let i = 0; i < 4; i++) picker.onPieceHave(asPiece(i));
        const peers = Array.from({ length: 8 }, () => {
          const has = new Bitfield(pieceCount);
          for (let i = 0; i < pieceCount; i++) if (rng() < 0.5) has.set(asPiece(i));
          return has;
        });
        // 2,000 pieces that one peer alone has, and ours has not.
        for (const has of peers) for (let i = 0; i < 2_000; i++) has.clear(asPiece(i));
        for (let i = 0; i < 2_000; i++) peers[0]!.set(asPiece(i));
        const ours = new Bitfield(pieceCount);
        for (let i = 0; i < 200; i++) ours.set(asPiece(2_000 + Math.floor(rng() * 2_000)));
        for (const has of [...peers, ours]) picker.onPeerPieces(has);
        const picked = picker.pick(ours);
        let fewest = Number.POSITIVE_INFINITY;
        for (let i = 0; i < pieceCount; i++)
          if (ours.get(asPiece(i))) fewest = Math.min(fewest, picker.peersWith(i));
        assert.ok(picked >= 0 && ours.get(asPiece(picked)));
        assert.equal(picker.peersWith(picked), fewest);
      }),
      { numRuns: 20 },
    );
  });

  it('agrees with a recount after any history, and picks a piece of least availability', () => {
    const size = 40;
    const bits = fc.array(fc.boolean(), { minLength: size, maxLength: size });
    const step = fc.oneof(
      fc.record({ do: fc.constant('join' as const), bits }),
      fc.record({ do: fc.constant('joinFull' as const) }),
      fc.record({ do: fc.constant('leave' as const), who: fc.nat() }),
      fc.record({ do: fc.constant('have' as const), who: fc.nat(), piece: fc.nat(size - 1) }),
      fc.record({ do: fc.constant('becomeFull' as const), who: fc.nat() }),
      fc.record({
        do: fc.constantFrom('begin' as const, 'abandon' as const, 'verify' as const),
        piece: fc.nat(size - 1),
      }),
      fc.record({ do: fc.constant('want' as const), bits }),
    );
    const toField = (from: readonly boolean[]): Bitfield =>
      field(from.map((bit) => (bit ? '1' : '0')).join(''));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.integer(), (steps, seed) => {
        const picker = pickerOf(size, seededRng(seed));
        const peers: Bitfield[] = [];
        let wanted = Bitfield.full(size);
        const have = new Set<number>();
        const begun = new Set<number>();
        const open = (piece: number): boolean =>
          wanted.get(asPiece(piece)) && !have.has(piece) && !begun.has(piece);
        for (const s of steps) {
          if (s.do === 'join' || s.do === 'joinFull') {
            const pieces = s.do === 'join' ? toField(s.bits) : Bitfield.full(size);
            peers.push(pieces);
            picker.onPeerPieces(pieces);
          } else if (s.do === 'leave' && peers.length > 0) {
            picker.onPeerLeft(peers.splice(s.who % peers.length, 1)[0]!);
          } else if (s.do === 'have' && peers.length > 0) {
            if (peers[s.who % peers.length]!.set(asPiece(s.piece))) picker.onPeerHave(asPiece(s.piece));
          } else if (s.do === 'becomeFull' && peers.length > 0) {
            const peer = peers[s.who % peers.length]!;
            for (let i = 0; i < size; i++) if (peer.set(asPiece(i))) picker.onPeerHave(asPiece(i));
          } else if (s.do === 'begin') {
            picker.onPieceBegun(asPiece(s.piece));
            if (!have.has(s.piece)) begun.add(s.piece);
          } else if (s.do === 'abandon') {
            picker.onPieceAbandoned(asPiece(s.piece));
            begun.delete(s.piece);
          } else if (s.do === 'verify') {
            picker.onPieceHave(asPiece(s.piece));
            begun.delete(s.piece);
            have.add(s.piece);
          } else if (s.do === 'want') {
            wanted = toField(s.bits);
            picker.setWanted(wanted);
          }
          const counts = Array.from(
            { length: size },
            (_, i) => peers.filter((p) => p.get(asPiece(i))).length,
          );
          const all = counts.map((_, i) => i);
          assert.deepEqual([...picker.availability()], counts);
          assert.equal(picker.openCount, all.filter(open).length);
          assert.equal(picker.wantedLeft, all.filter((i) => wanted.get(asPiece(i)) && !have.has(i)).length);
          for (const has of peers) {
            const choices = all.filter((i) => open(i) && has.get(asPiece(i)));
            const picked = picker.pick(has);
            if (choices.length === 0) assert.equal(picked, -1);
            else assert.ok(choices.includes(picked));
            if (picked >= 0 && have.size + begun.size >= 4)
              assert.equal(counts[picked], Math.min(...choices.map((i) => counts[i]!)));
            picker.setSequential(true);
            assert.equal(picker.pick(has), choices[0] ?? -1);
            picker.setSequential(false);
            assert.equal(
              picker.wantedMissingCount(has),
              all.filter((i) => has.get(asPiece(i)) && wanted.get(asPiece(i)) && !have.has(i)).length,
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
