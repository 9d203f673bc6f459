/** Virtual store: serves nothing unverified, tells good from corrupt, and has bounded room. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import type { PieceStoreHandler } from '../../engine/ports.js';
import { asMillis, asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { CheckFailed, Checks } from '../../sim/checks.js';
import { EventQueue } from '../../sim/event-queue.js';
import { VirtualClock } from '../../sim/virtual-clock.js';
import { blockView, VirtualStore } from '../../sim/virtual-store.js';

const PIECE = asPiece(1);

function openStore(slots = 2) {
  const queue = new EventQueue();
  const clock = new VirtualClock(queue, 0);
  const told: string[] = [];
  const handler: PieceStoreHandler = {
    onPieceVerified: (piece) => told.push(`verified ${piece}`),
    onPieceCorrupt: (piece) => told.push(`corrupt ${piece}`),
    onFramesReady: () => {},
    onSlotFree: () => told.push('slot free'),
    onStoreFailed: () => {},
  };
  const geometry = new TorrentGeometry(2 * BLOCK_BYTES, 8 * BLOCK_BYTES);
  const store = new VirtualStore(geometry, clock, new Checks(() => 0, 'again'), slots, 5, false);
  store.handler = handler;
  const settle = () => queue.run({ run: (node) => clock.fire(node), onTickEnd() {} }, 1e9);
  const fill = (isCorrupt: boolean) => {
    store.beginPiece(PIECE);
    store.putBlock(PIECE, 0, blockView(BLOCK_BYTES, false));
    store.putBlock(PIECE, BLOCK_BYTES, blockView(BLOCK_BYTES, isCorrupt));
    store.finishPiece(PIECE);
  };
  return { store, told, settle, fill, clock };
}

test('serves a piece once it is verified, and fails the run before', () => {
  const { store, told, settle, fill } = openStore();
  fill(false);
  assert.throws(() => store.frames(PIECE, 0, BLOCK_BYTES, 2), CheckFailed);
  settle();
  assert.deepEqual(told, ['verified 1']);
  assert.equal(store.frames(PIECE, 0, BLOCK_BYTES, 2).blocks, 2);
});

test('finds the corrupt block by its digest, and forgets an abandoned piece', () => {
  const { store, told, settle, fill } = openStore();
  fill(true);
  settle();
  assert.deepEqual(told, ['corrupt 1']);
  assert.notEqual(store.blockDigest(PIECE, 0), store.blockDigest(PIECE, BLOCK_BYTES));
  assert.ok(store.holds(PIECE, 0));
  store.abandonPiece(PIECE);
  assert.ok(!store.holds(PIECE, 0));
});

test('of a piece that was corrupt, blocks may be fetched anew until it is whole', () => {
  const { store, settle, fill } = openStore();
  fill(true);
  settle();
  store.abandonPiece(PIECE);
  store.beginPiece(PIECE);
  store.putBlock(PIECE, 0, blockView(BLOCK_BYTES, false));
  assert.ok(!store.holds(PIECE, 0));
  store.putBlock(PIECE, BLOCK_BYTES, blockView(BLOCK_BYTES, false));
  store.finishPiece(PIECE);
  settle();
  assert.ok(store.holds(PIECE, 0));
});

test('refuses a piece when all slots are taken, and tells when one is free', () => {
  const { store, told, settle, clock } = openStore(1);
  assert.ok(store.beginPiece(asPiece(0)));
  assert.ok(!store.beginPiece(asPiece(1)));
  clock.schedule(asMillis(1), () => store.abandonPiece(asPiece(0)));
  settle();
  assert.deepEqual(told, ['slot free']);
  assert.ok(store.beginPiece(asPiece(1)));
});

test('fails the run when a block is put into a piece that is not begun', () => {
  const { store } = openStore();
  assert.throws(() => store.putBlock(PIECE, 0, blockView(BLOCK_BYTES, false)), CheckFailed);
});
