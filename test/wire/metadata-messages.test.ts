import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MetadataMessage } from '../../engine/ports.js';
import { decodeMetadataMessage, encodeMetadataMessage } from '../../engine/wire/metadata-messages.js';

test('metadata messages come back as they were', () => {
  const piece = fc.nat(1_000);
  const message = fc.oneof(
    fc.record({ kind: fc.constantFrom('request' as const, 'reject' as const), piece }),
    fc.record({ kind: fc.constant('data' as const), piece, totalBytes: fc.nat(), bytes: fc.uint8Array() }),
  );
  fc.assert(
    fc.property(message, (sent: MetadataMessage) => {
      const got = decodeMetadataMessage(encodeMetadataMessage(sent));
      assert.ok(typeof got === 'object');
      if (sent.kind !== 'data' || got.kind !== 'data') assert.deepEqual(got, { ...sent });
      else assert.deepEqual({ ...got, bytes: Uint8Array.from(got.bytes) }, { ...sent });
    }),
  );
});

test('metadata messages are those of BEP 9, byte by byte', () => {
  const text = (message: MetadataMessage): string =>
    Buffer.from(encodeMetadataMessage(message)).toString('latin1');
  assert.equal(text({ kind: 'request', piece: 0 }), 'd8:msg_typei0e5:piecei0ee');
  assert.equal(
    text({ kind: 'data', piece: 0, totalBytes: 34256, bytes: Buffer.from('xx') }),
    'd8:msg_typei1e5:piecei0e10:total_sizei34256eexx',
  );
  assert.equal(text({ kind: 'reject', piece: 0 }), 'd8:msg_typei2e5:piecei0ee');
});

test('what is no metadata message is named, a kind of the future is not held against anybody', () => {
  for (const payload of [
    '',
    'd-3:',
    'l-3:',
    'le',
    'de',
    'd8:msg_typei0ee',
    'd8:msg_typei-1e5:piecei0ee',
    'd8:msg_typei1e5:piecei0ee',
    'd8:msg_typei0e5:piecei99999999999999999999ee',
  ])
    assert.equal(typeof decodeMetadataMessage(Buffer.from(payload)), 'string', payload);
  assert.equal(decodeMetadataMessage(Buffer.from('d8:msg_typei9e5:piecei0ee')), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeMetadataMessage(bytes);
    }),
  );
});
