import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  MAX_METADATA_BYTES,
  METADATA_PIECE_BYTES,
  MetadataAssembly,
} from '../../engine/policy/metadata-assembly.js';
import { asMillis } from '../../engine/units.js';

const PIECE = METADATA_PIECE_BYTES;

const dictionary = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 9)) & 255);
const isSame = (a: Uint8Array) => (b: Uint8Array) => Buffer.compare(a, b) === 0;
const part = (bytes: Uint8Array, piece: number): Uint8Array =>
  bytes.subarray(piece * PIECE, (piece + 1) * PIECE);

/** How a peer answers; `wrong` sends bytes that are not the dictionary's. */
type Manner = 'honest' | 'wrong' | 'silent' | 'rejects' | 'other size' | 'leaves';

/** Plays peers against an assembly until it is done, or `seconds` are over. @returns who was called a liar */
function play(
  assembly: MetadataAssembly,
  bytes: Uint8Array,
  manners: readonly Manner[],
  seconds: number,
): number[] {
  const liars: number[] = [];
  const sizeOf = (peer: number): number => bytes.length + (manners[peer] === 'other size' ? 1 + peer : 0);
  manners.forEach((_, peer) => {
    assembly.onPeer(peer, sizeOf(peer));
  });
  for (let now = 0; now < seconds * 1000 && assembly.done === undefined; now += 1000) {
    assembly.expire(asMillis(now));
    manners.forEach((manner, peer) => {
      for (;;) {
        const piece = assembly.next(peer, asMillis(now));
        if (piece === undefined) break;
        const data = part(
          manner === 'wrong' || manner === 'other size' ? new Uint8Array(sizeOf(peer)) : bytes,
          piece,
        );
        if (manner === 'rejects') assembly.onReject(peer, piece, asMillis(now));
        else if (manner === 'leaves') assembly.onPeerGone(peer);
        else if (manner !== 'silent')
          assert.equal(assembly.onData(peer, piece, sizeOf(peer), data), undefined);
        liars.push(...assembly.takeLiars());
        if (assembly.done !== undefined) return;
      }
    });
  }
  return liars;
}

describe('a metadata assembly', () => {
  it('has the dictionary as long as one honest peer is there, and calls no honest peer a liar', () => {
    const manner = fc.constantFrom<Manner>('honest', 'wrong', 'silent', 'rejects', 'other size', 'leaves');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 * PIECE }),
        fc.array(manner, { maxLength: 8, size: 'max' }),
        fc.nat(8),
        (length, others, at) => {
          const bytes = dictionary(length);
          const manners = others.toSpliced(at, 0, 'honest');
          const assembly = new MetadataAssembly(isSame(bytes));
          const liars = play(assembly, bytes, manners, 600);
          assert.ok(assembly.done !== undefined, manners.join());
          assert.ok(isSame(bytes)(assembly.done));
          for (const liar of liars) assert.notEqual(manners[liar], 'honest');
        },
      ),
    );
  });

  it('asks several peers at once, each for a few pieces, and none twice', () => {
    const bytes = dictionary(20 * PIECE);
    const assembly = new MetadataAssembly(isSame(bytes));
    const asked: number[] = [];
    for (const peer of [0, 1, 2]) {
      assembly.onPeer(peer, bytes.length);
      for (
        let piece = assembly.next(peer, asMillis(0));
        piece !== undefined;
        piece = assembly.next(peer, asMillis(0))
      )
        asked.push(piece);
    }
    assert.equal(new Set(asked).size, asked.length);
    assert.equal(asked.length, 12);
  });

  it('keeps what came from a peer that has left', () => {
    const bytes = dictionary(3 * PIECE);
    const assembly = new MetadataAssembly(isSame(bytes));
    assembly.onPeer(0, bytes.length);
    const first = assembly.next(0, asMillis(0))!;
    assembly.onData(0, first, bytes.length, part(bytes, first));
    assembly.onPeerGone(0);
    assembly.onPeer(1, bytes.length);
    assert.ok(Math.abs(assembly.share - 1 / 3) < 1e-9);
    const rest = [
      assembly.next(1, asMillis(0)),
      assembly.next(1, asMillis(0)),
      assembly.next(1, asMillis(0)),
    ];
    assert.deepEqual(rest, [1, 2, undefined]);
  });

  it('refuses sizes that no dictionary has, and answers that do not fit', () => {
    const assembly = new MetadataAssembly(() => true);
    for (const size of [0, -1, MAX_METADATA_BYTES + 1, Number.NaN])
      assert.equal(assembly.onPeer(0, size), false);
    assert.equal(assembly.onPeer(1, PIECE + 5), true);
    assembly.next(1, asMillis(0));
    assert.match(assembly.onData(1, 0, PIECE + 6, new Uint8Array(PIECE)) ?? '', /16390 bytes, 16389 before/);
    assert.match(assembly.onData(1, 2, PIECE + 5, new Uint8Array(PIECE)) ?? '', /piece 2/);
    assert.match(
      assembly.onData(1, 1, PIECE + 5, new Uint8Array(PIECE)) ?? '',
      /16384 bytes of metadata instead of 5/,
    );
    assert.equal(assembly.onData(1, 1, PIECE + 5, new Uint8Array(5)), undefined, 'not asked');
    assert.equal(assembly.done, undefined);
  });

  it('bounds what is built at once, the smallest first, and lets those that wait have their turn', () => {
    const assembly = new MetadataAssembly(() => false);
    const isAsked = (peer: number, now: number) => assembly.next(peer, asMillis(now)) !== undefined;
    for (let peer = 0; peer < 20; peer++) assembly.onPeer(peer, MAX_METADATA_BYTES - peer);
    const asked = () => Array.from({ length: 20 }, (_, peer) => peer).filter((peer) => isAsked(peer, 0));
    asked();
    assert.equal(asked().length, 4);
    assembly.onPeer(20, PIECE);
    assert.ok(isAsked(20, 0), 'a small one drives out a large one');
    assembly.onPeer(21, MAX_METADATA_BYTES);
    assert.ok(!isAsked(21, 59_000));
    assert.ok(isAsked(21, 61_000));
  });

  it('is not held up by those who answer slowly and wrongly', () => {
    const bytes = dictionary(3 * PIECE);
    const assembly = new MetadataAssembly(isSame(bytes));
    const slow = Array.from({ length: 29 }, (_, peer) => peer);
    for (const peer of [...slow, 29]) assembly.onPeer(peer, bytes.length);
    const due: { at: number; peer: number; piece: number }[] = [];
    let now = 0;
    for (; assembly.done === undefined; now += 1_000) {
      for (const { peer, piece } of due.splice(0, due.filter(({ at }) => at <= now).length))
        assembly.onData(peer, piece, bytes.length, new Uint8Array(PIECE));
      assembly.expire(asMillis(now));
      for (const peer of [...slow, 29])
        for (;;) {
          const piece = assembly.next(peer, asMillis(now));
          if (piece === undefined) break;
          if (peer === 29) assembly.onData(peer, piece, bytes.length, part(bytes, piece));
          else due.push({ at: now + 9_000, peer, piece });
        }
      assert.ok(now < 30_000, 'half a minute');
    }
  });

  it('lets each build it alone when together it came out wrong, and blames who did not tell the truth', () => {
    const bytes = dictionary(8 * PIECE);
    const assembly = new MetadataAssembly(isSame(bytes));
    const [liar, honest] = [0, 1];
    const round = (): number[][] => {
      const asked = [liar, honest].map((peer) =>
        Array.from({ length: 4 }, () => assembly.next(peer, asMillis(0)) ?? -1),
      );
      for (const peer of [liar, honest])
        for (const piece of asked[peer] ?? []) {
          const data = peer === honest ? part(bytes, piece) : new Uint8Array(PIECE);
          assert.equal(assembly.onData(peer, piece, bytes.length, data), undefined);
        }
      return asked;
    };
    for (const peer of [liar, honest]) assembly.onPeer(peer, bytes.length);
    assert.deepEqual(round(), [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    assert.deepEqual(assembly.takeLiars(), [], 'either of them');
    assert.deepEqual(round(), [
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
    round();
    assert.deepEqual(assembly.takeLiars(), [liar]);
    assert.ok(assembly.done !== undefined);
  });

  it('asks the only one who has it again after a rest', () => {
    const bytes = dictionary(PIECE);
    const assembly = new MetadataAssembly(isSame(bytes));
    assembly.onPeer(0, bytes.length);
    for (let strike = 0; strike < 3; strike++) {
      assert.equal(assembly.next(0, asMillis(0)), 0);
      assembly.onReject(0, 0, asMillis(0));
    }
    assert.equal(assembly.next(0, asMillis(1_000)), undefined);
    assert.equal(assembly.isOfUse(0), false);
    assert.equal(assembly.next(0, asMillis(30_000)), 0);
    assembly.onData(0, 0, bytes.length, bytes);
    assert.ok(assembly.done !== undefined);
  });

  it('does not call late who sends one piece after the other over a thin line', () => {
    const bytes = dictionary(4 * PIECE);
    const assembly = new MetadataAssembly(isSame(bytes));
    assembly.onPeer(0, bytes.length);
    const asked = [0, 1, 2, 3].map(() => assembly.next(0, asMillis(0)));
    assert.deepEqual(asked, [0, 1, 2, 3]);
    for (let now = 0; now <= 28_000; now += 1_000) {
      if (now % 7_000 === 0 && now > 0)
        assembly.onData(0, now / 7_000 - 1, bytes.length, part(bytes, now / 7_000 - 1));
      assembly.expire(asMillis(now));
      assert.equal(assembly.next(0, asMillis(now)), undefined, 'nothing is asked twice');
    }
    assert.ok(assembly.done !== undefined);
  });
});
