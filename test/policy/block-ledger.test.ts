import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BLOCK_RESULT, BlockLedger, MAX_REQUESTERS } from '../../engine/policy/block-ledger.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';

const PIECES = 4;
const BLOCKS = 3;
/** The last piece has one short block. */
const geometry = new TorrentGeometry(BLOCKS * BLOCK_BYTES, (PIECES - 1) * BLOCKS * BLOCK_BYTES + 1);
const piece = asPiece;

describe('BlockLedger', () => {
  it('lists due rows while they have a free block', () => {
    const ledger = new BlockLedger(geometry);
    const rows = [0, 1].map((index) => ledger.begin(piece(index)));
    assert.deepEqual(ledger.openDueRows, []);
    ledger.setDue(rows[0]!, true);
    assert.deepEqual(ledger.openDueRows, [rows[0]]);
    for (let i = 0; i < BLOCKS; i++) ledger.requestFree(rows[0]!, 7);
    assert.deepEqual(ledger.openDueRows, []);
    ledger.setDue(rows[0]!, true);
    assert.deepEqual(ledger.openDueRows, [], 'it has none');
    ledger.release(7, piece(0), 1);
    assert.deepEqual(ledger.openDueRows, [rows[0]]);
    ledger.setDue(rows[0]!, false);
    assert.deepEqual(ledger.openDueRows, []);
    ledger.setDue(rows[0]!, true);
    ledger.drop(piece(0), () => {});
    assert.deepEqual(ledger.openDueRows, []);
    assert.equal(ledger.isDue(ledger.begin(piece(2))), false, 'another piece in the same row');
  });

  it('visits what a peer is asked for, with its place in the queue and how many are asked', () => {
    const ledger = new BlockLedger(geometry);
    const row = ledger.begin(piece(0));
    ledger.requestFree(row, 1);
    ledger.requestFree(row, 1);
    const other = ledger.begin(piece(1));
    ledger.requestFree(other, 1);
    ledger.requestAlso(row, 0, 2);
    const seen: number[][] = [];
    ledger.forEachMissing(1, (...at) => seen.push(at));
    assert.deepEqual(seen, [
      [row, 0, 0, 2],
      [row, 1, 1, 1],
      [other, 0, 2, 1],
    ]);
    assert.equal(ledger.isAskedOfOthers(row, 1, 2, 1), true);
    assert.equal(ledger.isAskedOfOthers(row, 1, 1, 1), false);
    assert.equal(ledger.isAskedOfOthers(row, 0, 3, 1), false);
    assert.equal(ledger.isAskedOfOthers(row, 0, 3, 2), true);
    ledger.receive(1, piece(1), 0);
    assert.equal(ledger.isAskedOfOthers(other, 0, 2, 0), false);
  });

  it('knows pieces of one block, and torrents of none', () => {
    const ledger = new BlockLedger(geometry);
    const row = ledger.begin(piece(3));
    assert.equal(ledger.requestFree(row, 0), 0);
    assert.equal(ledger.requestFree(row, 0), -1);
    assert.equal(ledger.receive(0, piece(3), 0), BLOCK_RESULT.fresh);
    assert.equal(ledger.isComplete(piece(3)), true);
    assert.deepEqual([...ledger.sources(piece(3))], [0]);
    assert.equal(new BlockLedger(new TorrentGeometry(1, 0)).freeTotal, 0);
  });

  it('takes a block that is received out of the count of missing ones, though others are still asked', () => {
    const ledger = new BlockLedger(geometry);
    const row = ledger.begin(piece(0));
    ledger.requestFree(row, 0);
    assert.equal(ledger.requestDuplicate(row, 1, 1, 0), 0);
    assert.equal(ledger.missingAsked(row, 2), 1);
    ledger.receive(1, piece(0), 0);
    assert.equal(ledger.missingAsked(row, 2), 0);
    assert.equal(ledger.missingAsked(row, 1), 0);
    assert.equal(ledger.requestDuplicate(row, 2, 1, 0), -1, 'nobody is asked for a block that is here');
    assert.equal(ledger.release(0, piece(0), 0), true);
    assert.equal(ledger.freeBlocks(row), 2);
  });

  it('frees a block again only when nobody is asked for it any more', () => {
    const ledger = new BlockLedger(geometry);
    const row = ledger.begin(piece(0));
    ledger.requestFree(row, 0);
    ledger.requestDuplicate(row, 1, 1, 0);
    assert.equal(ledger.releaseAll(0), 1);
    assert.equal(ledger.freeBlocks(row), 2);
    assert.equal(ledger.releaseAll(1), 1);
    assert.equal(ledger.freeBlocks(row), 3);
    assert.equal(ledger.requestFree(row, 2), 0);
  });

  it('forgets what was received and keeps what is asked when a row is reset', () => {
    const ledger = new BlockLedger(geometry);
    const row = ledger.begin(piece(0));
    ledger.requestFree(row, 0);
    ledger.requestFree(row, 0);
    ledger.receive(0, piece(0), 0);
    ledger.reset(row);
    assert.equal(ledger.isContributor(0), false);
    assert.equal(ledger.missingBlocks(row), 3);
    assert.equal(ledger.freeBlocks(row), 2);
    assert.equal(ledger.outstanding(0), 1);
  });

  it('reuses the row of a dropped piece, and nothing of what was in it', () => {
    const ledger = new BlockLedger(geometry);
    const row = ledger.begin(piece(0));
    ledger.requestFree(row, 0);
    ledger.requestFree(row, 1);
    ledger.requestDuplicate(row, 2, 1, 0);
    ledger.receive(1, piece(0), 1);
    const dropped: number[] = [];
    for (let twice = 0; twice < 2; twice++) ledger.drop(piece(0), (peer) => dropped.push(peer));
    assert.deepEqual(dropped, [0, 2]);
    assert.equal(ledger.outstandingTotal, 0);
    assert.equal(ledger.freeTotal, 0);
    assert.equal(ledger.isContributor(1), false);
    assert.equal(ledger.receive(0, piece(0), 0), BLOCK_RESULT.unrequested);
    assert.equal(ledger.begin(piece(1)), row);
    assert.deepEqual([...ledger.sources(piece(1))], [-1, -1, -1]);
    assert.equal(ledger.freeTotal, 3);
  });

  it('agrees with a table of blocks through any history', () => {
    const step = fc.record({
      do: fc.constantFrom(
        'begin',
        'drop',
        'reset',
        'free',
        'free',
        'duplicate',
        'receive',
        'receive',
        'release',
        'releaseAll',
      ),
      piece: fc.nat(PIECES - 1),
      block: fc.nat(BLOCKS - 1),
      peer: fc.nat(4),
      requesters: fc.integer({ min: 1, max: MAX_REQUESTERS - 1 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const ledger = new BlockLedger(geometry);
        const table = new Map<number, { asked: number[]; source: number }[]>();
        for (const { do: what, piece: index, block, peer, requesters } of steps) {
          const p = piece(index);
          const blocks = table.get(index);
          const row = ledger.rowOf(p);
          assert.equal(row >= 0, blocks !== undefined);
          const cell = blocks?.[block];
          if (what === 'begin' && blocks === undefined) {
            ledger.begin(p);
            table.set(
              index,
              Array.from({ length: geometry.blockCount(p) }, () => ({ asked: [], source: -1 })),
            );
          } else if (what === 'drop') {
            const dropped: number[] = [];
            ledger.drop(p, (each) => dropped.push(each));
            assert.deepEqual(dropped.sort(), (blocks ?? []).flatMap((each) => each.asked).sort());
            table.delete(index);
          } else if (what === 'receive' && block < geometry.blockCount(p)) {
            const asked = cell?.asked.includes(peer) === true;
            const expected = !asked ? 'unrequested' : cell.source >= 0 ? 'duplicate' : 'fresh';
            assert.equal(ledger.receive(peer, p, block), BLOCK_RESULT[expected]);
            if (asked) cell.asked = cell.asked.filter((other) => other !== peer);
            if (asked && cell.source < 0) cell.source = peer;
          } else if (what === 'release' && block < geometry.blockCount(p)) {
            assert.equal(ledger.release(peer, p, block), cell?.asked.includes(peer) === true);
            if (cell !== undefined) cell.asked = cell.asked.filter((other) => other !== peer);
          } else if (what === 'releaseAll') {
            let count = 0;
            for (const each of [...table.values()].flat()) {
              if (each.asked.includes(peer)) count++;
              each.asked = each.asked.filter((other) => other !== peer);
            }
            assert.equal(ledger.releaseAll(peer), count);
          } else if (blocks !== undefined && what === 'reset') {
            ledger.reset(row);
            for (const each of blocks) each.source = -1;
          } else if (blocks !== undefined && what === 'free') {
            const free = blocks.findIndex((each) => each.asked.length === 0 && each.source < 0);
            assert.equal(ledger.requestFree(row, peer), free);
            blocks[free]?.asked.push(peer);
          } else if (blocks !== undefined && what === 'duplicate') {
            const found = blocks.findIndex(
              (each, i) =>
                i >= block &&
                each.asked.length === requesters &&
                each.source < 0 &&
                !each.asked.includes(peer),
            );
            assert.equal(ledger.requestDuplicate(row, peer, requesters, block), found);
            blocks[found]?.asked.push(peer);
          }
          compare(ledger, table);
        }
      }),
      { numRuns: 400 },
    );
  });
});

function compare(
  ledger: BlockLedger,
  table: ReadonlyMap<number, { asked: number[]; source: number }[]>,
): void {
  const all = [...table.values()].flat();
  const free = all.filter((each) => each.asked.length === 0 && each.source < 0);
  assert.equal(ledger.freeTotal, free.length);
  assert.equal(
    ledger.outstandingTotal,
    all.reduce((sum, each) => sum + each.asked.length, 0),
  );
  assert.deepEqual([...ledger.begunRows].map((row) => ledger.pieceOf(row)).sort(), [...table.keys()].sort());
  for (let peer = 0; peer < 5; peer++) {
    assert.equal(ledger.outstanding(peer), all.filter((each) => each.asked.includes(peer)).length);
    assert.equal(
      ledger.isContributor(peer),
      all.some((each) => each.source === peer),
    );
  }
  const open: number[] = [];
  for (const [index, blocks] of table) {
    const row = ledger.rowOf(piece(index));
    const missing = blocks.filter((each) => each.source < 0);
    assert.deepEqual(
      [...ledger.sources(piece(index))],
      blocks.map((each) => each.source),
    );
    assert.equal(ledger.missingBlocks(row), missing.length);
    assert.equal(ledger.isComplete(piece(index)), missing.length === 0);
    for (let asked = 0; asked <= MAX_REQUESTERS; asked++) {
      assert.equal(
        ledger.missingAsked(row, asked),
        missing.filter((each) => each.asked.length === asked).length,
      );
    }
    if (ledger.freeBlocks(row) > 0) open.push(row);
    for (const [block, each] of blocks.entries()) {
      const requesters: number[] = [];
      assert.equal(ledger.requestersOf(piece(index), block, requesters), each.asked.length);
      assert.deepEqual(requesters.sort(), [...each.asked].sort());
    }
  }
  assert.deepEqual([...ledger.openRows].sort(), open.sort());
}
