import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientName } from '../../engine/wire/client-name.js';
import { createPeerId } from '../../engine/wire/peer-id.js';

const id = (start: string): Uint8Array => Buffer.from(start.padEnd(20, 'x'), 'latin1');

test('names the clients by their peer ids', () => {
  for (const [start, name] of [
    ['-TR4050-', 'Transmission 4.0.5'],
    ['-TR3000-', 'Transmission 3.00'],
    ['-TR294Z-', 'Transmission 2.94'],
    ['-LT2080-', 'libtorrent 2.0.8'],
    ['-LT12B0-', 'libtorrent 1.2.11'],
    ['-lt0D98-', 'rTorrent 0.13.9.8'],
    ['-qB4650-', 'qBittorrent 4.6.5'],
    ['-DE13F0-', 'Deluge 1.3.15'],
    ['-UT3550-', 'µTorrent 3.5.5'],
    ['-WW0200-', 'WebTorrent 0.2'],
    ['-ZZ1200-', 'ZZ 1.2'],
    ['A2-1-36-0-', 'aria2 1.36.0'],
    ['M7-2-0--', 'BitTorrent 7.2.0'],
    ['M7-10-5-', 'BitTorrent 7.10.5'],
    ['T03I-----', 'BitTornado 0.3.18'],
    ['S58B-----', 'Shadow 5.8.11'],
    ['-__1200-', ''],
    ['-pr0000-toString', 'pr 0.0'],
    ['nonsense', ''],
  ] as const)
    assert.equal(clientName(id(start)), name, start);
});

test('names our own peer id', () => {
  assert.equal(clientName(createPeerId(new Uint8Array(12))), 'swarm 0.1');
});

test('refuses a peer id of the wrong number of random bytes', () => {
  assert.throws(() => createPeerId(new Uint8Array(11)), RangeError);
});

test('gives short printable text for any peer id', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 20 }), (bytes) => {
      assert.match(clientName(bytes), /^[0-9A-Za-zµ. ]{0,40}$/);
    }),
  );
});
