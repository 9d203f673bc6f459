/**
 * Downloader child: downloads a made torrent at its own pace until it is killed. Says which pieces it believed at
 * the start and which it verified since, a line each.
 */

import { Storage } from '../../engine/storage/storage.js';
import { asPiece } from '../../engine/units.js';
import { makeTorrent, putPiece } from './made-torrent.js';

const [root = '', stateDir = '', seed = '1'] = process.argv.slice(2);
const torrent = makeTorrent(65_536, [
  { path: 't/a', lengthBytes: 3_000_000 },
  { path: 't/b', lengthBytes: 100 },
  { path: 't/c', lengthBytes: 5_000_000 },
]);
const storage = new Storage({ arenaBytes: 1 << 20, readCacheBytes: 1 << 20, workers: 2, stateDir });
const { store, have } = await storage.openTorrent(torrent.metainfo, root);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
say(`have ${Buffer.from(have.toWire()).toString('hex')}`);

let done = have.count;
if (have.isFull) say('complete');
const left: number[] = [];
for (let piece = 0; piece < torrent.metainfo.pieceCount; piece++)
  if (!have.get(asPiece(piece))) left.push(piece);
const shuffle = Number(seed);
left.sort((a, b) => ((a * 7_919 + shuffle) % 101) - ((b * 7_919 + shuffle) % 101));

function pump(): void {
  for (let piece = left[0]; piece !== undefined && store.beginPiece(asPiece(piece)); piece = left[0]) {
    left.shift();
    putPiece(store, torrent, piece);
    store.finishPiece(asPiece(piece));
  }
}
store.handler = {
  onPieceVerified: (piece) => {
    say(`verified ${piece}`);
    if (++done === torrent.metainfo.pieceCount) say('complete');
    setTimeout(pump, 2);
  },
  onPieceCorrupt: (piece) => say(`corrupt ${piece}`),
  onFramesReady: () => {},
  onSlotFree: () => setTimeout(pump, 2),
  onStoreFailed: (error) => say(`failed ${error.code}`),
};
pump();
// Killed, never finished: only the killer ends it.
setInterval(() => {}, 1_000);
