/** Floods: peers that send one thing without end, as fast as they can. An honest transfer goes on beside them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { BLOCK_BYTES } from '../../engine/units.js';
import { MESSAGE } from '../../engine/wire/messages.js';
import { frame } from '../wire/harness.js';
import { Battlefield, peerOf } from './battlefield.js';
import { Victim } from './victim.js';

const KIB = 1024;
const ATTACKERS = 4;
const PIECE_BYTES = 64 * KIB;
const PIECES = 128;

const times = (count: number, make: (i: number) => Uint8Array): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
const extended = (payload: string): Buffer => frame(MESSAGE.extended, [], Buffer.from(`\0${payload}`));
const anyPiece = (i: number): number => i % PIECES;
const request = (i: number) => frame(MESSAGE.request, [anyPiece(i), 0, BLOCK_BYTES]);
const cancel = (i: number) => frame(MESSAGE.cancel, [anyPiece(i), 0, BLOCK_BYTES]);

/** What is sent once, and what is sent without end. */
const FLOODS: readonly [title: string, flood: Buffer, first?: Buffer][] = [
  ['keep-alives', Buffer.alloc(64 * KIB)],
  ['haves', times(8_000, (i) => frame(MESSAGE.have, [anyPiece(i)]))],
  ['bitfields', times(3_000, () => frame(MESSAGE.bitfield, [], Buffer.alloc(PIECES / 8, 0xaa)))],
  ['interest', times(8_000, (i) => frame(i % 2 === 0 ? MESSAGE.interested : MESSAGE.notInterested))],
  [
    'chokes',
    times(8_000, (i) => frame(i % 2 === 0 ? MESSAGE.choke : MESSAGE.unchoke)),
    frame(MESSAGE.haveAll),
  ],
  ['requests while choked', times(4_000, request)],
  ['requests while unchoked', times(4_000, request), frame(MESSAGE.interested)],
  [
    'cancels over a full queue',
    Buffer.concat([times(500, request), times(4_000, cancel)]),
    frame(MESSAGE.interested),
  ],
  [
    'rejects',
    times(4_000, (i) => frame(MESSAGE.reject, [anyPiece(i), 0, BLOCK_BYTES])),
    frame(MESSAGE.haveAll),
  ],
  [
    'pieces allowed while choked',
    times(8_000, (i) => frame(MESSAGE.allowedFast, [anyPiece(i)])),
    frame(MESSAGE.haveAll),
  ],
  ['suggestions', times(8_000, (i) => frame(MESSAGE.suggest, [anyPiece(i)]))],
  ['extended handshakes', times(1_000, () => extended('d1:md6:ut_pexi1ee1:v5:abcdee'))],
  [
    'messages of extensions that nobody announced',
    times(4_000, () => frame(MESSAGE.extended, [], Buffer.from('\x09de'))),
  ],
  ['unknown messages', times(4_000, () => frame(99, [1]))],
  ['DHT ports', times(8_000, () => frame(MESSAGE.port, [], Buffer.from([0x1a, 0xe1])))],
  [
    'blocks that nobody asked for',
    times(8, (i) => frame(MESSAGE.piece, [anyPiece(i), 0], Buffer.alloc(BLOCK_BYTES))),
  ],
];

describe('beside a flood of', () => {
  for (const [title, flood, first = Buffer.alloc(0)] of FLOODS)
    test(`${title}, a download and an upload go on`, { timeout: 60_000 }, async (t) => {
      const field = await Battlefield.make(t, { bytes: PIECES * PIECE_BYTES, pieceLength: PIECE_BYTES });
      const seed = await field.seed();
      const victim = await Victim.start(field, { out: join(field.base, 'victim'), peers: [peerOf(seed)] });
      let over = false;
      const attacks = (await victim.attackers(ATTACKERS)).map((attacker) =>
        attacker.send(first).flood(flood, () => over),
      );
      // An honest leecher gets everything from the victim, which gets it from the seed.
      const { engine, torrent } = await field.leech({ peers: [victim.address] });
      await Promise.all([victim.told('completed'), torrent.completed]);
      over = true;
      await Promise.all(attacks);
      await field.assertDownloaded(engine);
    });
});

test('peers that flood, are thrown out and come back at once do not stop a transfer', {
  timeout: 60_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: PIECES * PIECE_BYTES, pieceLength: PIECE_BYTES });
  const seed = await field.seed();
  const victim = await Victim.start(field, { out: join(field.base, 'victim'), peers: [peerOf(seed)] });
  let over = false;
  let comings = 0;
  const comeAndGo = async (): Promise<void> => {
    while (!over) {
      const [attacker] = await victim.attackers(1);
      await attacker?.flood(Buffer.alloc(32 * KIB), () => over);
      comings++;
    }
  };
  const attacks = Array.from({ length: ATTACKERS }, comeAndGo);
  const { engine, torrent } = await field.leech({ peers: [victim.address] });
  await Promise.all([victim.told('completed'), torrent.completed]);
  over = true;
  await Promise.all(attacks);
  await field.assertDownloaded(engine);
  assert.ok(comings >= ATTACKERS, `${comings} connections`);
});
