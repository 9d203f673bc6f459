import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { MAX_REQUESTERS } from '../../engine/policy/block-ledger.js';
import { BLOCK_RESULT, BlockScheduler } from '../../engine/policy/block-scheduler.js';
import { PiecePicker } from '../../engine/policy/piece-picker.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { asMillis, asPiece, BLOCK_BYTES, type PieceIndex } from '../../engine/units.js';
import { field, seededRng } from './drawings.js';

interface Setup {
  readonly geometry: TorrentGeometry;
  readonly picker: PiecePicker;
  readonly scheduler: BlockScheduler;
  /** By peer: milliseconds a block; without, PACE_MS. */
  readonly paces: Map<number, number>;
  readonly clock: { now: number };
  /** Asks for up to `max` blocks: ["piece.block", …]. */
  next(peer: number, has: string | Bitfield, max: number, allowed?: ReadonlySet<PieceIndex>): string[];
}

const PACE_MS = 10;

/** Sequential by default, so that drawings can say which piece comes next. */
function setup(
  pieceCount: number,
  blocksPerPiece: number,
  options: { slots?: number; lastBlocks?: number; sequential?: boolean; rng?: () => number } = {},
): Setup {
  const lastBlocks = options.lastBlocks ?? blocksPerPiece;
  const geometry = new TorrentGeometry(
    blocksPerPiece * BLOCK_BYTES,
    ((pieceCount - 1) * blocksPerPiece + lastBlocks) * BLOCK_BYTES - 1,
  );
  const picker = new PiecePicker(geometry, options.rng ?? seededRng(1));
  picker.setSequential(options.sequential ?? true);
  const paces = new Map<number, number>();
  const clock = { now: 0 };
  let begun = 0;
  const scheduler: BlockScheduler = new BlockScheduler(geometry, picker, {
    beginPiece: () => {
      begun = 0;
      for (let piece = 0; piece < pieceCount; piece++) if (scheduler.isBegun(asPiece(piece))) begun++;
      return begun < (options.slots ?? Number.POSITIVE_INFINITY);
    },
    paceMs: (peer) => paces.get(peer) ?? PACE_MS,
    now: () => asMillis(clock.now),
  });
  const out = new Int32Array(1_000);
  return {
    geometry,
    picker,
    scheduler,
    paces,
    clock,
    next: (peer, has, max, allowed) => {
      const bits = typeof has === 'string' ? field(has) : has;
      const count = scheduler.nextBlocks(peer, bits, max, out, allowed);
      return Array.from({ length: count }, (_, i) => `${out[2 * i]}.${out[2 * i + 1]}`);
    },
  };
}

const piece = asPiece;

describe('BlockScheduler', () => {
  it('fills a request batch with whole pieces in turn', () => {
    const { next } = setup(3, 2, { lastBlocks: 1 });
    assert.deepEqual(next(0, '111', 10), ['0.0', '0.1', '1.0', '1.1', '2.0']);
    assert.deepEqual(next(0, '111', 10), []);
  });

  it('lets slow peers share a piece, and keeps each on the piece it began with', () => {
    const { next } = setup(4, 4);
    assert.deepEqual(next(0, '1111', 1), ['0.0']);
    assert.deepEqual(next(1, '1111', 1), ['0.1']);
    assert.deepEqual(next(2, '0111', 1), ['1.0']);
    // Piece 1 is as near to done as piece 0, but peer 0 works on piece 0.
    assert.deepEqual(next(0, '1111', 3), ['0.2', '0.3', '1.1']);
  });

  it('prefers the begun piece closest to done', () => {
    const { next, scheduler } = setup(3, 4, { sequential: false, rng: () => 0 });
    assert.deepEqual(next(0, '100', 2), ['0.0', '0.1']);
    assert.deepEqual(next(1, '010', 3), ['1.0', '1.1', '1.2']);
    scheduler.onBlock(1, piece(1), 0);
    assert.deepEqual(next(2, '111', 1), ['1.3']);
    assert.deepEqual(next(3, '111', 1), ['0.2']);
  });

  it('begins what a peer alone has before it helps with what others have too', () => {
    const { next, picker, scheduler } = setup(3, 4, { sequential: false, rng: () => 0 });
    for (const has of ['100', '101', '110']) picker.onPeerPieces(field(has));
    assert.deepEqual(next(0, '100', 1), ['0.0']);
    assert.deepEqual(next(1, '101', 2), ['2.0', '2.1']);
    assert.deepEqual(next(2, '110', 5), ['1.0', '1.1', '1.2', '1.3', '0.1']);
    picker.setSequential(true);
    scheduler.releaseAll(2);
    assert.deepEqual(next(2, '110', 1), ['0.1'], 'in order, the earlier piece comes first');
  });

  it('leaves the pieces of a quick peer to it, but helps before going idle', () => {
    const { next, scheduler } = setup(2, 4);
    assert.deepEqual(next(0, '11', 4), ['0.0', '0.1', '0.2', '0.3']);
    scheduler.onReleased(0, piece(0), 3);
    assert.deepEqual(next(1, '11', 4), ['0.3', '1.0', '1.1', '1.2'], 'a released block is for anyone');
    assert.deepEqual(next(0, '11', 4), ['1.3']);
  });

  it('shares the pieces of a quick peer that left, before it begins others', () => {
    const { next, scheduler } = setup(2, 4);
    next(0, '11', 4);
    assert.equal(scheduler.releaseAll(0), 4);
    assert.deepEqual(next(1, '11', 1), ['0.0']);
  });

  it('asks for no duplicates of a piece that is to come from one peer', () => {
    const { next, scheduler } = setup(1, 2);
    scheduler.restrictToSingleSource(piece(0));
    assert.deepEqual(next(0, '1', 2), ['0.0', '0.1']);
    assert.equal(scheduler.endgame, true);
    assert.deepEqual(next(1, '1', 9), []);
  });

  it('asks for duplicates only when every block is asked for, at most three peers each, never twice', () => {
    const { next, scheduler, paces } = setup(1, 2);
    assert.deepEqual(next(0, '1', 1), ['0.0']);
    paces.set(0, 1_000);
    assert.equal(scheduler.endgame, false);
    paces.set(1, 2_000);
    assert.deepEqual(next(1, '1', 1), ['0.1']);
    assert.equal(scheduler.endgame, true);
    assert.deepEqual(next(0, '1', 9), [], 'it would not be much sooner');
    assert.deepEqual(next(2, '1', 1), ['0.1'], 'the block that comes last');
    assert.deepEqual(next(2, '1', 9), ['0.0']);
    assert.deepEqual(next(2, '1', 9), []);
    assert.deepEqual(next(3, '1', 9), [], 'peer 2 is as quick');
    paces.set(2, Number.POSITIVE_INFINITY);
    assert.deepEqual(next(3, '1', 9).sort(), ['0.0', '0.1'], 'peer 2 stalls');
    paces.set(3, Number.POSITIVE_INFINITY);
    assert.deepEqual(next(4, '1', 9), [], 'three peers are asked for each');
    assert.equal(scheduler.onBlock(2, piece(0), 0), BLOCK_RESULT.fresh);
    const others: number[] = [];
    assert.equal(scheduler.othersRequesting(piece(0), 0, others), 2);
    assert.deepEqual(others.sort(), [0, 3]);
    assert.equal(scheduler.onBlock(0, piece(0), 0), BLOCK_RESULT.duplicate);
    assert.equal(scheduler.onBlock(0, piece(0), 0), BLOCK_RESULT.unrequested);
  });

  it('tells of requests that end with their piece', () => {
    const geometry = new TorrentGeometry(BLOCK_BYTES, BLOCK_BYTES);
    const dropped: number[] = [];
    const scheduler = new BlockScheduler(geometry, new PiecePicker(geometry, seededRng(1)), {
      beginPiece: () => true,
      paceMs: (peer) => 1_000 / 10 ** peer,
      now: () => asMillis(0),
      onRequestDropped: (peer) => dropped.push(peer),
    });
    const out = new Int32Array(2);
    for (const peer of [0, 1, 2]) scheduler.nextBlocks(peer, Bitfield.full(1), 1, out);
    scheduler.onBlock(1, piece(0), 0);
    scheduler.onPieceVerified(piece(0));
    assert.deepEqual(dropped, [0, 2]);
    assert.equal(scheduler.outstanding(0), 0);
    assert.equal(scheduler.onReleased(0, piece(0), 0), false);
  });

  it('gives a busy peer no duplicates', () => {
    const { next, paces } = setup(1, 10);
    assert.equal(next(0, '1', 5).length, 5);
    assert.equal(next(1, '1', 5).length, 5);
    paces.set(0, 1_000);
    assert.deepEqual(next(1, '1', 9), []);
    assert.equal(next(2, '1', 9).length, 4);
  });

  it('in endgame takes over from the end of the longest queue, as far as that is much sooner', () => {
    const { next, paces } = setup(1, 12);
    paces.set(0, 20);
    next(0, '1', 2);
    next(1, '1', 10);
    // The last of ten comes in 100 ms, the one before in 90 ms; an idle peer takes 10 ms for one, 20 ms for two.
    assert.deepEqual(next(2, '1', 9), ['0.11', '0.10']);
    assert.deepEqual(next(3, '1', 9), ['0.9'], 'the next comes in 70 ms, less than four times 20');
    assert.deepEqual(next(4, '0', 9), [], 'it has not got the piece');
    for (const [peer, block] of [8, 7, 6].entries()) assert.deepEqual(next(5 + peer, '1', 9), [`0.${block}`]);
    assert.deepEqual(next(8, '1', 9), [], 'the rest is as good as under way');
  });

  it('asks for what is due first, begun or not, whoever owns it, and goes on by rarity', () => {
    const { next, scheduler } = setup(5, 2);
    assert.deepEqual(next(0, '11111', 1), ['0.0']);
    assert.deepEqual(next(1, '11111', 2), ['0.1', '1.0']);
    scheduler.setDeadline(piece(4), asMillis(200_000));
    scheduler.setDeadline(piece(3), asMillis(300_000));
    scheduler.setDeadline(piece(1), asMillis(250_000));
    assert.deepEqual(next(2, '01101', 1), ['4.0']);
    assert.deepEqual(next(0, '11111', 9), ['4.1', '1.1', '3.0', '3.1', '2.0', '2.1']);
  });

  it('leaves what a slow peer cannot make to a quicker one, but lets it help before it goes idle', () => {
    const { next, scheduler, paces, clock } = setup(2, 2);
    scheduler.setDeadline(piece(1), asMillis(5_000));
    paces.set(0, 6_000);
    assert.deepEqual(next(1, '11', 1), ['1.0']);
    assert.deepEqual(next(0, '11', 1), ['0.0']);
    assert.deepEqual(next(0, '11', 1), ['0.1']);
    assert.deepEqual(next(0, '11', 1), ['1.1'], 'there is nothing else');
    scheduler.onReleased(0, piece(0), 0);
    scheduler.onReleased(0, piece(1), 1);
    clock.now = 5_000;
    assert.deepEqual(next(0, '11', 1), ['1.1'], 'it is overdue: any help is welcome');
  });

  it('asks for what is due next though nobody can make it', () => {
    const { next, scheduler, paces } = setup(3, 2, { sequential: false });
    for (const index of [0, 1, 2]) scheduler.setDeadline(piece(index), asMillis(100 * index));
    for (const peer of [0, 1, 2]) paces.set(peer, 4_000 + peer);
    assert.deepEqual(next(0, '111', 1), ['0.0'], 'the first');
    assert.deepEqual(next(1, '111', 2), ['0.1', '1.0']);
    assert.deepEqual(next(2, '111', 2), ['1.1', '2.0']);
  });

  it('asks a second peer for a block that will be late, one that is much quicker, and no third', () => {
    const { next, scheduler, paces, clock } = setup(4, 4);
    scheduler.setDeadline(piece(0), asMillis(2_000));
    assert.deepEqual(next(0, '1111', 4), ['0.0', '0.1', '0.2', '0.3']);
    scheduler.reviewDeadlines();
    assert.deepEqual(next(1, '1000', 9), [], 'all come in time');
    paces.set(0, 600);
    scheduler.reviewDeadlines();
    assert.deepEqual(next(2, '0111', 1), ['1.0'], 'it has not got the piece');
    paces.set(1, 1_300);
    assert.deepEqual(next(1, '1000', 9), [], 'it would not be twice as quick');
    paces.set(1, 100);
    assert.deepEqual(next(1, '1111', 2), ['0.3', '1.1'], 'three come in time');
    assert.deepEqual(next(3, '1000', 9), [], 'a third is not asked');
    clock.now = 2_000;
    scheduler.reviewDeadlines();
    paces.set(3, 200);
    assert.deepEqual(next(3, '1000', 9), ['0.2'], 'overdue: four times as quick as the third of the queue');
    assert.equal(scheduler.onBlock(3, piece(0), 2), BLOCK_RESULT.fresh);
    assert.equal(scheduler.onBlock(0, piece(0), 2), BLOCK_RESULT.duplicate);
  });

  it('asks twice for a bounded number, though all is late for ever', () => {
    const blocks = 6_000;
    const { next, scheduler, paces, clock } = setup(blocks, 1);
    const asked = new Map<number, string[]>([
      [0, []],
      [1, []],
    ]);
    for (let index = 0; index < blocks; index++) scheduler.setDeadline(piece(index), asMillis(1));
    clock.now = 10;
    let copies = 0;
    for (let arrived = 0; arrived < blocks; ) {
      // Each in turn is quick enough to help the other.
      for (const peer of [0, 1]) {
        paces.set(peer, 1);
        paces.set(1 - peer, 4_000);
        scheduler.reviewDeadlines();
        const keys = next(peer, Bitfield.full(blocks), 20);
        copies += keys.filter((key) => asked.get(1 - peer)!.includes(key)).length;
        asked.get(peer)!.push(...keys);
      }
      for (const peer of [0, 1]) {
        for (const key of asked.get(peer)!.splice(0, 10)) {
          const [p, block] = parse(key);
          if (scheduler.onBlock(peer, p, block) !== BLOCK_RESULT.fresh) continue;
          arrived++;
          scheduler.onPieceVerified(p);
          for (const keysOfOne of asked.values())
            if (keysOfOne.includes(key)) keysOfOne.splice(keysOfOne.indexOf(key), 1);
        }
      }
      if (arrived < blocks - 100) assert.ok(copies <= 16 + arrived / 256, `${copies} of ${arrived}`);
    }
    assert.ok(copies > 16);
  });

  it('takes every late block from peers that are stalled, however many there are, and from two of them', () => {
    const blocks = 100;
    const { next, scheduler, paces } = setup(blocks, 1);
    for (let index = 0; index < blocks; index++) scheduler.setDeadline(piece(index), asMillis(1));
    const keys = Array.from({ length: blocks }, (_, i) => `${i}.0`);
    const rescue = (peer: number) => {
      const taken: string[] = [];
      for (let review = 0; review < 10; review++) {
        scheduler.reviewDeadlines();
        taken.push(...next(peer, Bitfield.full(blocks), 20));
      }
      return taken;
    };
    paces.set(0, 4_000);
    assert.deepEqual(next(0, Bitfield.full(blocks), blocks), keys);
    assert.equal(rescue(1).length, 16, 'it is slow, but it comes');
    paces.set(0, 5_000);
    assert.equal(rescue(1).length, 84);
    assert.deepEqual(rescue(2), [], 'the second is quick');
    paces.set(1, 5_000);
    assert.deepEqual(new Set(rescue(2)), new Set(keys));
    paces.set(2, 5_000);
    assert.deepEqual(rescue(3), [], 'more than three are never asked');
  });

  it('takes no block for late that has come, has no deadline any more, or is to come from one peer', () => {
    const { next, scheduler, paces } = setup(3, 1);
    for (const index of [0, 1, 2]) scheduler.setDeadline(piece(index), asMillis(1));
    paces.set(0, 1_000);
    assert.deepEqual(next(0, '111', 3), ['0.0', '1.0', '2.0']);
    scheduler.reviewDeadlines();
    scheduler.onBlock(0, piece(0), 0);
    scheduler.onPieceCorrupt(piece(1));
    scheduler.restrictToSingleSource(piece(2));
    assert.deepEqual(next(0, '111', 9), ['1.0'], 'free again');
    assert.deepEqual(next(1, '111', 9), ['1.0'], 'asked of the slow one again');
    scheduler.reviewDeadlines();
    for (const index of [0, 1, 2]) scheduler.clearDeadline(piece(index));
    scheduler.reviewDeadlines();
    paces.set(0, 15);
    assert.deepEqual(next(1, '111', 9), [], 'as in endgame without deadlines: it would not be much sooner');
  });

  it('fetches a corrupt piece with a deadline from one peer at a time nevertheless', () => {
    const { next, scheduler, paces } = setup(2, 3);
    scheduler.setDeadline(piece(0), asMillis(10_000));
    assert.deepEqual(next(0, '11', 3), ['0.0', '0.1', '0.2']);
    scheduler.onPieceCorrupt(piece(0));
    scheduler.restrictToSingleSource(piece(0));
    assert.deepEqual(next(0, '10', 1), ['0.0']);
    assert.deepEqual(next(1, '10', 1), []);
    paces.set(0, 60_000);
    scheduler.reviewDeadlines();
    assert.deepEqual(next(1, '10', 1), []);
    scheduler.onBlock(0, piece(0), 0);
    assert.deepEqual(next(1, '10', 9), ['0.0', '0.1', '0.2'], 'it begins anew');
  });

  it('asks for a piece with a deadline while choked only where that is allowed', () => {
    const { next, scheduler } = setup(3, 1);
    for (const index of [0, 1]) scheduler.setDeadline(piece(index), asMillis(1_000 - index));
    assert.deepEqual(next(0, '111', 9, new Set([piece(2), piece(0)])), ['0.0', '2.0']);
    assert.deepEqual(next(1, '111', 9), ['1.0']);
  });

  it('gives each peer the earliest that it has and that is not asked for, through any order of asking', () => {
    const bits = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.nat(5), { nil: undefined }), { minLength: 12, maxLength: 12 }),
        fc.array(bits, { minLength: 4, maxLength: 4 }),
        fc.array(fc.record({ peer: fc.nat(3), max: fc.integer({ min: 1, max: 5 }) })),
        fc.boolean(),
        (dues, peers, asks, sequential) => {
          const { next, scheduler, picker } = setup(12, 3, { sequential });
          const fields = peers.map((has) => field(has.map((bit) => (bit ? '1' : '0')).join('')));
          for (const has of fields) picker.onPeerPieces(has);
          const far = 1_000_000;
          const dueAt = dues.map((due) => (due === undefined ? Infinity : far + due));
          dueAt.forEach((due, index) => {
            scheduler.setDeadline(piece(index), asMillis(due));
          });
          const left = dueAt.map(() => 3);
          for (const { peer, max } of asks) {
            for (const key of next(peer, fields[peer]!, max)) {
              const [p] = parse(key);
              const earliest = Math.min(
                ...dueAt.filter((_, i) => left[i]! > 0 && fields[peer]!.get(piece(i))),
              );
              if (left[p]! > 0) assert.equal(dueAt[p], earliest);
              left[p]!--;
            }
          }
        },
      ),
    );
  });

  it('refuses blocks that were not asked for', () => {
    const { next, scheduler } = setup(2, 2);
    assert.equal(scheduler.onBlock(0, piece(0), 0), BLOCK_RESULT.unrequested, 'of a piece that is not begun');
    next(0, '11', 1);
    assert.equal(scheduler.onBlock(1, piece(0), 0), BLOCK_RESULT.unrequested, 'asked of another');
    assert.equal(scheduler.onBlock(0, piece(0), 1), BLOCK_RESULT.unrequested, 'another block');
    scheduler.onReleased(0, piece(0), 0);
    assert.equal(scheduler.onBlock(0, piece(0), 0), BLOCK_RESULT.unrequested, 'released meanwhile');
    assert.equal(scheduler.onReleased(0, piece(0), 0), false);
  });

  it('asks only for allowed pieces while choked', () => {
    const { next } = setup(4, 2);
    assert.deepEqual(next(0, '1011', 9, new Set([piece(1), piece(2)])), ['2.0', '2.1']);
    assert.deepEqual(next(1, '1111', 1), ['0.0']);
    assert.deepEqual(next(2, '1111', 9, new Set([piece(1)])), ['1.0', '1.1']);
  });

  it('names who sent each block, and keeps the number of a sender who left', () => {
    const { next, scheduler } = setup(2, 2);
    next(0, '10', 1);
    next(1, '10', 1);
    scheduler.onBlock(0, piece(0), 0);
    assert.deepEqual([...scheduler.contributors(piece(0))], [0, -1]);
    assert.equal(scheduler.releaseAll(0), 0);
    assert.equal(scheduler.isContributor(0), true);
    scheduler.onBlock(1, piece(0), 1);
    assert.equal(scheduler.isComplete(piece(0)), true);
    scheduler.onPieceVerified(piece(0));
    assert.equal(scheduler.isContributor(0), false);
    assert.equal(scheduler.isBegun(piece(0)), false);
  });

  it('fetches a piece that was corrupt from one peer at a time, and anew from the next', () => {
    const { next, scheduler } = setup(1, 3);
    next(0, '1', 2);
    next(1, '1', 1);
    scheduler.onPieceCorrupt(piece(0));
    scheduler.restrictToSingleSource(piece(0));
    assert.deepEqual(next(0, '1', 1), ['0.0']);
    assert.deepEqual(next(1, '1', 9), [], 'one peer at a time');
    scheduler.onBlock(0, piece(0), 0);
    assert.deepEqual(next(0, '1', 1), ['0.1']);
    scheduler.releaseAll(0);
    assert.deepEqual(next(1, '1', 9), ['0.0', '0.1', '0.2'], 'what the first peer sent is not mixed in');
    assert.deepEqual([...scheduler.contributors(piece(0))], [-1, -1, -1]);
    for (let block = 0; block < 3; block++) scheduler.onBlock(1, piece(0), block);
    assert.deepEqual([...scheduler.contributors(piece(0))], [1, 1, 1]);
  });

  it('gives memory held by pieces that nobody delivers to peers that can', () => {
    const { next, scheduler } = setup(3, 2, { slots: 2 });
    next(0, '100', 1);
    scheduler.onBlock(0, piece(0), 0);
    next(0, '010', 1);
    scheduler.releaseAll(0);
    assert.deepEqual(scheduler.dropStale(), [], 'nobody was turned away');
    assert.deepEqual(next(1, '001', 2), []);
    assert.deepEqual(scheduler.dropStale(), [], 'a second chance');
    assert.deepEqual(next(1, '001', 2), []);
    assert.deepEqual(scheduler.dropStale(), [1], 'the piece with nothing in it');
    assert.deepEqual(next(1, '001', 2), ['2.0', '2.1']);
    assert.deepEqual(next(2, '010', 1), []);
  });

  it('looks again at a peer that had nothing, once it has more, a piece is open again, or another sits there', () => {
    const { next, scheduler } = setup(3, 2);
    const has = field('100');
    assert.deepEqual(next(0, has, 9), ['0.0', '0.1']);
    assert.deepEqual(next(1, '010', 2), ['1.0', '1.1']);
    assert.deepEqual(next(0, has, 9), []);
    has.set(piece(2));
    assert.deepEqual(next(0, has, 1), ['2.0']);
    assert.deepEqual(next(2, '010', 9), []);
    scheduler.onPieceCorrupt(piece(1));
    assert.deepEqual(next(2, '010', 1), ['1.0']);
    assert.deepEqual(next(3, '100', 9), []);
    scheduler.onPieceVerified(piece(0));
    assert.deepEqual(next(3, '100', 9), []);
    assert.deepEqual(next(0, has, 9), ['2.1']);
    scheduler.releaseAll(3);
    scheduler.onPieceCorrupt(piece(2));
    assert.deepEqual(next(3, '100', 9), []);
    scheduler.releaseAll(3);
    assert.deepEqual(next(3, '001', 9), ['2.0', '2.1'], 'another peer in its seat, with as many pieces');
  });

  it('does not begin more before memory comes free, here or elsewhere', () => {
    let room = 1;
    let asked = 0;
    const geometry = new TorrentGeometry(BLOCK_BYTES, 9 * BLOCK_BYTES);
    const picker = new PiecePicker(geometry, seededRng(1));
    const scheduler = new BlockScheduler(geometry, picker, {
      paceMs: () => PACE_MS,
      now: () => asMillis(0),
      beginPiece: () => {
        asked++;
        return room-- > 0;
      },
    });
    const out = new Int32Array(20);
    const all = Bitfield.full(9);
    picker.onPeerPieces(all);
    assert.equal(scheduler.nextBlocks(0, all, 9, out), 1);
    assert.equal(asked, 2);
    const begun = piece(out[0]!);
    room = 1;
    assert.equal(scheduler.nextBlocks(1, all, 1, out), 0);
    assert.equal(asked, 2, 'it was full, and nobody said otherwise');
    scheduler.onSlotFree();
    assert.equal(scheduler.nextBlocks(1, all, 1, out), 1);
    room = 0;
    assert.equal(scheduler.nextBlocks(2, all, 1, out), 0);
    room = 1;
    scheduler.onBlock(0, begun, 0);
    scheduler.onPieceVerified(begun);
    assert.equal(scheduler.nextBlocks(2, all, 1, out), 1);
  });

  it('lists what a peer was asked, oldest first', () => {
    const { next, scheduler } = setup(2, 3);
    next(0, '11', 4);
    scheduler.onBlock(0, piece(0), 1);
    const out = new Int32Array(4);
    assert.equal(scheduler.requestsOf(0, out), 2);
    assert.deepEqual([...out], [0, 0, 0, 2]);
    assert.equal(scheduler.outstanding(0), 3);
  });

  it('keeps its books through any history, hands out every block, and drains to nothing', () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('next' as const),
          peer: fc.nat(5),
          max: fc.integer({ min: 1, max: 9 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('answer' as const),
          peer: fc.nat(5),
          count: fc.integer({ min: 1, max: 9 }),
        }),
      },
      fc.record({ do: fc.constant('stray' as const), peer: fc.nat(5), piece: fc.nat(6), block: fc.nat(3) }),
      fc.record({
        do: fc.constantFrom('reject' as const, 'gone' as const, 'leave' as const),
        peer: fc.nat(5),
      }),
      fc.record({ do: fc.constantFrom('settle' as const, 'dropStale' as const), good: fc.boolean() }),
      fc.record({
        do: fc.constant('due' as const),
        piece: fc.nat(6),
        at: fc.option(fc.nat(300), { nil: Number.POSITIVE_INFINITY }),
      }),
      fc.record({
        do: fc.constant('review' as const),
        peer: fc.nat(5),
        paceMs: fc.constantFrom(1, 10, 100, Number.POSITIVE_INFINITY),
        passedMs: fc.nat(50),
      }),
    );
    const pieceCount = 7;
    const join = fc.array(fc.boolean(), { minLength: pieceCount, maxLength: pieceCount });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 150, size: 'max' }),
        fc.array(join, { minLength: 6, maxLength: 6 }),
        fc.record({ slots: fc.integer({ min: 1, max: 8 }), seed: fc.integer(), sequential: fc.boolean() }),
        (steps, joins, { slots, seed, sequential }) => {
          const model = new Model(pieceCount, slots, seed, sequential);
          joins.forEach((bits, peer) => {
            model.join(peer, field(bits.map((bit) => (bit ? '1' : '0')).join('')));
          });
          for (const s of steps) {
            if (s.do === 'next') model.next(s.peer, s.max);
            else if (s.do === 'answer') model.answer(s.peer, s.count);
            else if (s.do === 'stray') model.stray(s.peer, piece(s.piece), s.block);
            else if (s.do === 'reject') model.reject(s.peer);
            else if (s.do === 'gone') model.gone(s.peer);
            else if (s.do === 'leave') model.leave(s.peer);
            else if (s.do === 'settle') model.settle(s.good);
            else if (s.do === 'due') model.due(piece(s.piece), s.at);
            else if (s.do === 'review') model.review(s.peer, s.paceMs, s.passedMs);
            else model.dropStale();
            model.check();
          }
          model.finish();
        },
      ),
      { numRuns: 400 },
    );
  });
});

/** What a swarm would see, kept the slow and obvious way beside the scheduler. */
class Model {
  readonly #setup: Setup;
  readonly #has: Bitfield[] = [];
  /** "piece.block" → peers asked and not answered. */
  readonly #asked = new Map<string, Set<number>>();
  /** "piece.block" → who sent it. */
  readonly #received = new Map<string, number>();
  readonly #verified = new Set<number>();
  readonly #single = new Set<number>();
  /** Asked for, with a deadline, when those were last looked at. */
  #late = new Set<string>();
  /** Begun when memory was last looked at. */
  #reviewed = new Set<number>();

  constructor(
    readonly pieceCount: number,
    slots: number,
    seed: number,
    sequential: boolean,
  ) {
    this.#setup = setup(pieceCount, 4, { slots, sequential, lastBlocks: 2, rng: seededRng(seed) });
  }

  join(peer: number, has: Bitfield): void {
    this.#has[peer] = has;
    this.#setup.picker.onPeerPieces(has);
  }

  next(peer: number, max: number): number {
    const { picker } = this.#setup;
    const allAsked = picker.openCount === 0 && this.#freeBlocksOfBegun() === 0;
    const wasSingleSource = this.#receivedOfSingles();
    const { isExhausted } = this.#setup.scheduler;
    const blocks = this.#setup.next(peer, this.#has[peer]!, max);
    assert.ok(blocks.length <= max);
    if (isExhausted) assert.ok(blocks.every((key) => (this.#asked.get(key)?.size ?? 0) > 0));
    this.#forgetTakenOver(wasSingleSource);
    for (const key of blocks) {
      const [p] = parse(key);
      assert.ok(this.#has[peer]!.get(p), 'the peer has it');
      assert.ok(!this.#verified.has(p) && !this.#received.has(key), 'we do not');
      const asked = this.#asked.get(key) ?? new Set();
      assert.ok(!asked.has(peer), 'never twice of one peer');
      if (asked.size > 0) {
        const areStalled = [...asked].every((other) => (this.#setup.paces.get(other) ?? 0) >= 5_000);
        const isLate = this.#late.has(key) && (asked.size === 1 || areStalled);
        const mayHelp = allAsked || this.#freeBlocksOfBegun() === 0 || this.#reviewed.has(p) || isLate;
        assert.ok(
          mayHelp,
          'duplicates only in endgame, for what makes no headway, and for what will be late',
        );
        assert.ok(!this.#single.has(p));
      }
      asked.add(peer);
      assert.ok(asked.size <= MAX_REQUESTERS);
      this.#asked.set(key, asked);
    }
    return blocks.length;
  }

  answer(peer: number, count: number): void {
    const { scheduler } = this.#setup;
    for (const key of this.#askedOf(peer).slice(0, count)) {
      const [p, block] = parse(key);
      const result = scheduler.onBlock(peer, p, block);
      this.#unask(key, peer);
      assert.equal(result, this.#received.has(key) ? BLOCK_RESULT.duplicate : BLOCK_RESULT.fresh);
      if (result !== BLOCK_RESULT.fresh) continue;
      this.#received.set(key, peer);
      const others: number[] = [];
      scheduler.othersRequesting(p, block, others);
      assert.deepEqual(others.sort(), [...(this.#asked.get(key) ?? [])].sort());
    }
  }

  stray(peer: number, p: PieceIndex, block: number): void {
    if (block >= this.#setup.geometry.blockCount(p) || this.#asked.get(`${p}.${block}`)?.has(peer)) return;
    assert.equal(this.#setup.scheduler.onBlock(peer, p, block), BLOCK_RESULT.unrequested);
  }

  reject(peer: number): void {
    const key = this.#askedOf(peer)[0];
    if (key === undefined) return;
    const [p, block] = parse(key);
    assert.equal(this.#setup.scheduler.onReleased(peer, p, block), true);
    this.#unask(key, peer);
  }

  gone(peer: number): void {
    const asked = this.#askedOf(peer);
    assert.equal(this.#setup.scheduler.releaseAll(peer), asked.length);
    for (const key of asked) this.#unask(key, peer);
  }

  leave(peer: number): void {
    this.gone(peer);
    this.#setup.picker.onPeerLeft(this.#has[peer]!);
    this.#has[peer] = new Bitfield(this.pieceCount);
  }

  /** One complete piece is verified or found corrupt. */
  settle(good: boolean): boolean {
    const { scheduler } = this.#setup;
    for (let i = 0; i < this.pieceCount; i++) {
      const p = piece(i);
      if (!scheduler.isComplete(p)) continue;
      const sources = [...scheduler.contributors(p)];
      assert.deepEqual(
        sources,
        sources.map((_, block) => this.#received.get(`${p}.${block}`)),
      );
      if (this.#single.has(p)) assert.equal(new Set(sources).size, 1);
      if (good) {
        scheduler.onPieceVerified(p);
        this.#verified.add(p);
        this.#single.delete(p);
      } else {
        scheduler.onPieceCorrupt(p);
        scheduler.restrictToSingleSource(p);
        this.#single.add(p);
      }
      this.#forgetPiece(p);
      return true;
    }
    return false;
  }

  dropStale(): void {
    for (const dropped of this.#setup.scheduler.dropStale()) {
      assert.ok(this.#setup.picker.isMissing(dropped) && !this.#setup.scheduler.isComplete(dropped));
      this.#forgetPiece(dropped);
    }
    const pieces = Array.from({ length: this.pieceCount }, (_, i) => i);
    this.#reviewed = new Set(pieces.filter((i) => this.#setup.scheduler.isBegun(piece(i))));
  }

  due(p: PieceIndex, at: number): void {
    const { scheduler, picker } = this.#setup;
    scheduler.setDeadline(p, asMillis(at));
    const isMissing = !this.#verified.has(p);
    assert.equal(picker.deadlineOf(p), isMissing ? at : Number.POSITIVE_INFINITY);
  }

  review(peer: number, paceMs: number, passedMs: number): void {
    const { scheduler, paces, clock, picker } = this.#setup;
    clock.now += passedMs;
    paces.set(peer, paceMs);
    scheduler.reviewDeadlines();
    this.#late = new Set(
      [...this.#asked.keys()].filter((key) => Number.isFinite(picker.deadlineOf(parse(key)[0]))),
    );
  }

  check(): void {
    const { scheduler } = this.#setup;
    const out = new Int32Array(1_000);
    for (let peer = 0; peer < this.#has.length; peer++) {
      const asked = this.#askedOf(peer);
      assert.equal(scheduler.outstanding(peer), asked.length);
      const pairs = scheduler.requestsOf(peer, out);
      const listed = Array.from({ length: pairs }, (_, i) => `${out[2 * i]}.${out[2 * i + 1]}`);
      assert.deepEqual(listed.sort(), asked.sort());
      assert.equal(scheduler.isContributor(peer), [...this.#received.values()].includes(peer));
    }
  }

  /** Two honest seeds come: everything is fetched and nothing is left. */
  finish(): void {
    for (let peer = 0; peer < this.#has.length; peer++) this.leave(peer);
    const seeds = [10, 11];
    for (const seed of seeds) this.join(seed, Bitfield.full(this.pieceCount));
    for (let round = 0; this.#verified.size < this.pieceCount; round++) {
      assert.ok(round < 500, 'the download ends');
      for (const seed of seeds) {
        this.next(seed, 3);
        this.answer(seed, 2);
      }
      while (this.settle(true)) this.check();
    }
    for (const seed of seeds) {
      assert.equal(this.next(seed, 9), 0);
      assert.equal(this.#setup.scheduler.outstanding(seed), 0);
      assert.equal(this.#setup.scheduler.isContributor(seed), false);
    }
    assert.equal(this.#setup.scheduler.endgame, false);
    assert.equal(this.#setup.picker.wantedLeft, 0);
  }

  #askedOf(peer: number): string[] {
    return [...this.#asked].filter(([, peers]) => peers.has(peer)).map(([key]) => key);
  }

  #unask(key: string, peer: number): void {
    const peers = this.#asked.get(key);
    peers?.delete(peer);
    if (peers?.size === 0) this.#asked.delete(key);
  }

  #forgetPiece(p: number): void {
    for (const key of [...this.#asked.keys()]) if (parse(key)[0] === p) this.#asked.delete(key);
    for (const key of [...this.#received.keys()]) if (parse(key)[0] === p) this.#received.delete(key);
  }

  #freeBlocksOfBegun(): number {
    const { scheduler, geometry } = this.#setup;
    let free = 0;
    for (let i = 0; i < this.pieceCount; i++) {
      if (!scheduler.isBegun(piece(i))) continue;
      for (let block = 0; block < geometry.blockCount(piece(i)); block++) {
        if (!this.#asked.has(`${i}.${block}`) && !this.#received.has(`${i}.${block}`)) free++;
      }
    }
    return free;
  }

  #receivedOfSingles(): number[] {
    return [...this.#single].filter((p) => [...this.#received.keys()].some((key) => parse(key)[0] === p));
  }

  /** A single-source piece that changed hands has lost what its first peer sent. */
  #forgetTakenOver(singles: readonly number[]): void {
    for (const p of singles) {
      const left = this.#setup.scheduler.contributors(piece(p));
      for (const [block, source] of left.entries()) if (source === -1) this.#received.delete(`${p}.${block}`);
    }
  }
}

function parse(key: string): [PieceIndex, number] {
  const [p, block] = key.split('.').map(Number);
  return [piece(p!), block!];
}
