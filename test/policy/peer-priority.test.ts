import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c, peerPriority } from '../../engine/policy/peer-priority.js';

const at = (host: string, port = 6881) => ({ host, port });

test('computes what BEP 40 gives as examples', () => {
  assert.equal(peerPriority(at('123.213.32.10'), at('98.76.54.32')), 0xec2d7224);
  assert.equal(peerPriority(at('123.213.32.10'), at('123.213.32.234')), 0x99568189);
});

test('computes the check value of CRC-32C', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('is the same from both ends, and goes by ports on one host', () => {
  const address = fc.record({
    host: fc.oneof(fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  fc.assert(
    fc.property(address, address, (a, b) => {
      const priority = peerPriority(a, b);
      assert.equal(peerPriority(b, a), priority);
      assert.ok(priority === undefined || (priority >= 0 && priority < 2 ** 32));
    }),
  );
  assert.notEqual(
    peerPriority(at('1.2.3.4', 1), at('1.2.3.4', 2)),
    peerPriority(at('1.2.3.4', 1), at('1.2.3.4', 3)),
  );
});

test('cannot be chosen by who picks the last bits of its address', () => {
  const ours = at('123.213.32.10');
  assert.equal(peerPriority(ours, at('98.76.54.32')), peerPriority(ours, at('98.76.54.34')));
  assert.notEqual(peerPriority(ours, at('98.76.54.32')), peerPriority(ours, at('98.76.54.33')));
  const six = at('2001:db8:1::1');
  assert.equal(peerPriority(six, at('2001:db8:2::1')), peerPriority(six, at('2001:db8:2::3')));
  assert.notEqual(peerPriority(six, at('2001:db8:1::1:1')), peerPriority(six, at('2001:db8:1::1:4')));
});

test('is unknown between families and for what is no address', () => {
  assert.equal(peerPriority(at('1.2.3.4'), at('2001:db8::1')), undefined);
  assert.equal(peerPriority(at('1.2.3.4'), at('host')), undefined);
});
