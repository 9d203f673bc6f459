import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { decodeExtendedHandshake } from '../../engine/wire/extended-handshake.js';
import { GuardedWire } from '../../engine/wire/guarded-wire.js';
import { identity } from './harness.js';

test('reads every field of a real extended handshake', () => {
  const payload = encodeBencode({
    m: { ut_metadata: 3, ut_pex: 1, lt_donthave: 0 },
    metadata_size: 31_235,
    p: 51_413,
    reqq: 512,
    upload_only: 0,
    v: 'Transmission 4.0.5',
    yourip: Uint8Array.of(192, 0, 2, 7),
  });
  assert.deepEqual(decodeExtendedHandshake(payload), {
    handshake: {
      client: 'Transmission 4.0.5',
      requestQueue: 512,
      listenPort: 51_413,
      yourIp: '192.0.2.7',
      metadataSize: 31_235,
      uploadOnly: false,
      extensions: new Set(['ut_metadata', 'ut_pex']),
    },
    ids: new Map([
      ['lt_donthave', 0],
      ['ut_metadata', 3],
      ['ut_pex', 1],
    ]),
  });
});

test('never throws, and gives bounded fields or a reason for any bytes', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .dictionary(
        fc.constantFrom('m', 'v', 'p', 'reqq', 'metadata_size', 'upload_only', 'yourip', '__proto__'),
        fc.oneof(
          fc.integer(),
          fc.uint8Array({ maxLength: 400 }),
          fc.dictionary(fc.string({ maxLength: 80 }), fc.integer({ min: -5, max: 300 })),
          fc.array(fc.integer()),
        ),
      )
      .map((fields) => encodeBencode(fields)),
  );
  fc.assert(
    fc.property(anything, (payload) => {
      const decoded = decodeExtendedHandshake(payload);
      if (typeof decoded === 'string') return;
      const { handshake, ids } = decoded;
      assert.ok((handshake.client ?? '').length <= 128);
      assert.ok(handshake.extensions.size <= 64);
      for (const [name, id] of ids) assert.ok(name.length <= 64 && id >= 0 && id <= 255);
      const { listenPort = 1, requestQueue = 1, metadataSize = 1 } = handshake;
      assert.ok(listenPort >= 1 && listenPort <= 65_535);
      assert.ok(requestQueue >= 1 && requestQueue <= 65_535);
      assert.ok(metadataSize >= 1);
    }),
  );
});

test('keeps 64 extensions at most, with names of 64 characters at most', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x${i}`, 1]));
  const decoded = decodeExtendedHandshake(
    encodeBencode({ m: { ...many, ['a'.repeat(65)]: 2, ['b'.repeat(64)]: 2 } }),
  );
  assert.ok(typeof decoded === 'object');
  assert.equal(decoded.ids.size, 64);
  assert.equal(decoded.ids.has('a'.repeat(65)), false);
  assert.equal(decoded.ids.has('b'.repeat(64)), true);
});

test('refuses more values, or deeper ones, than any real handshake has', () => {
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`x${i}`, 1]));
  assert.equal(typeof decodeExtendedHandshake(encodeBencode({ m: many })), 'string');
  const deep = (depth: number): Uint8Array => Buffer.from(`d1:x${'l'.repeat(depth)}${'e'.repeat(depth)}e`);
  assert.equal(typeof decodeExtendedHandshake(deep(5)), 'object');
  assert.equal(typeof decodeExtendedHandshake(deep(20)), 'string');
});

test('each handshake names the port by which peers reach us now', () => {
  let port = 6881;
  const us = identity();
  const { client, requestQueue, extensions } = us.extendedHandshake;
  const ours = {
    ...us,
    extendedHandshake: {
      ...{ client, requestQueue, extensions },
      get listenPort() {
        return port;
      },
    },
  };
  const named = () => new GuardedWire(false, ours, '192.0.2.7', () => {}).extendedHandshake.p;
  assert.equal(named(), 6881);
  port = 20_000;
  assert.equal(named(), 20_000);
  port = 0;
  assert.equal(named(), undefined);
});
