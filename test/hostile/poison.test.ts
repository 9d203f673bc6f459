/** Poisoners: peers that send wrong bytes, alone, together, late, or with many faces. The download ends right all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TorrentEvent } from '../../engine/index.js';
import { Ambush, corrupted, handshake } from './attacker.js';
import { Battlefield, peerOf } from './battlefield.js';

const KIB = 1024;
const MIB = KIB * KIB;

/** A listening peer that claims everything and answers each request with what `blockFor` gives. */
async function poisoner(
  field: Battlefield,
  blockFor: (piece: number, begin: number, length: number) => Uint8Array | undefined,
) {
  const ambush = new Ambush((attacker) => {
    attacker.send(handshake(field.metainfo.infoHash)).pretendSeed().answer(blockFor);
  });
  field.scope.after(() => ambush.close());
  return { ambush, address: await ambush.listen() };
}

test('three that always lie beside one honest seed: the file is right, they are banned, the seed is not', {
  timeout: 60_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: 16 * MIB, pieceLength: 256 * KIB });
  const liars = await Promise.all(
    [1, 2, 3].map(() =>
      poisoner(field, (piece, begin, length) => corrupted(field.block(piece, begin, length))),
    ),
  );
  const seed = await field.seed({ uploadBytesPerSecond: 8 * MIB });
  const { engine, torrent } = await field.leech({ peers: liars.map(({ address }) => address) });
  const events: TorrentEvent[] = [];
  torrent.onEvent((event) => events.push(event));
  torrent.addPeers([peerOf(seed)]);
  await torrent.completed;
  await field.assertDownloaded(engine);
  const banned = events.flatMap((event) => (event.type === 'peer-banned' ? [event.port] : []));
  assert.deepEqual(
    banned.filter((port) => port === peerOf(seed).port),
    [],
  );
  assert.ok(banned.length > 0, 'nobody was banned');
});

test('eight that lie in one block of ten only, in pieces of many blocks', { timeout: 60_000 }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 16 * MIB, pieceLength: MIB });
  let turn = 0;
  const liars = await Promise.all(
    Array.from({ length: 8 }, () =>
      poisoner(field, (piece, begin, length) => {
        const block = field.block(piece, begin, length);
        return ++turn % 10 === 0 ? corrupted(block) : block;
      }),
    ),
  );
  const seed = await field.seed({ uploadBytesPerSecond: 8 * MIB });
  const { engine, torrent } = await field.leech({ peers: liars.map(({ address }) => address) });
  const banned: number[] = [];
  torrent.onEvent((event) => {
    if (event.type === 'peer-banned') banned.push(event.port);
  });
  torrent.addPeers([peerOf(seed)]);
  await torrent.completed;
  await field.assertDownloaded(engine);
  assert.ok(!banned.includes(peerOf(seed).port), 'the honest seed was banned');
});

test('one that is honest until the last blocks are asked for', { timeout: 60_000 }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 4 * MIB, pieceLength: 64 * KIB });
  const seed = await field.seed();
  const { engine, torrent } = await field.leech();
  const { pieceCount } = field.metainfo;
  let answers = 0;
  let lies = 0;
  const liar = await poisoner(field, (piece, begin, length) => {
    const block = field.block(piece, begin, length);
    if (++answers <= 4 * pieceCount - 24) return block;
    if (lies++ === 0) torrent.addPeers([peerOf(seed)]);
    return corrupted(block);
  });
  const banned: number[] = [];
  torrent.onEvent((event) => {
    if (event.type === 'peer-banned') banned.push(event.port);
  });
  torrent.addPeers([liar.address]);
  await torrent.completed;
  await field.assertDownloaded(engine);
  assert.ok(lies > 0, 'it was never asked');
  assert.deepEqual(banned, [liar.address.port]);
});

test('one that comes back from another port after each ban', { timeout: 60_000 }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 4 * MIB, pieceLength: 64 * KIB });
  const { engine, torrent } = await field.leech();
  let returns = 0;
  const comeBack = async (): Promise<void> => {
    while (torrent.phase === 'downloading' && returns < 200) {
      returns++;
      const attacker = await field.attack(engine);
      attacker.pretendSeed().answer((piece, begin, length) => corrupted(field.block(piece, begin, length)));
      await attacker.gone;
    }
  };
  const attack = comeBack();
  const seed = await field.seed({ uploadBytesPerSecond: 2 * MIB });
  torrent.addPeers([peerOf(seed)]);
  await torrent.completed;
  await field.assertDownloaded(engine);
  await engine.close();
  await attack;
  assert.ok(returns > 1, `came back ${returns} times`);
});
