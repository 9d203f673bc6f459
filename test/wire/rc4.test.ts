import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rc4 } from '../../engine/wire/rc4.js';
import { hex } from './harness.js';

test('gives the key streams of RFC 6229, from byte 1,024 on', () => {
  for (const [key, at1024] of [
    ['0102030405', '30abbcc7c20b01609f23ee2d5f6bb7df'],
    ['0102030405060708090a0b0c0d0e0f10', 'bdf0324e6083dcc6d3cedd3ca8c53c16'],
  ] as const) {
    const bytes = new Uint8Array(16);
    new Rc4(Buffer.from(key, 'hex')).apply(bytes);
    assert.equal(hex(bytes), at1024);
  }
});

test('is one stream however it is cut, and its own reverse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(600), (bytes, cut) => {
      const key = Buffer.from('key');
      const [whole, parts] = [bytes.slice(), bytes.slice()];
      new Rc4(key).apply(whole);
      const cipher = new Rc4(key);
      cipher.apply(parts.subarray(0, cut));
      cipher.apply(parts.subarray(cut));
      assert.deepEqual(parts, whole);
      new Rc4(key).apply(whole);
      assert.deepEqual(whole, bytes);
    }),
  );
});
