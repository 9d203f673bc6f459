import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pexCodec } from '../../engine/discovery/pex-codec.js';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { canonicalHost, ipBytes, isUnicast } from '../../engine/policy/ip-address.js';

const host = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .map((text) => canonicalHost(text) ?? '')
  .filter((text) => isUnicast(ipBytes(text) ?? new Uint8Array(4)));
const port = fc.integer({ min: 1, max: 65_535 });
const peers = fc.array(fc.record({ host, port }, { noNullPrototype: true }), { maxLength: 50 });
const flagged = fc.array(fc.record({ host, port, flags: fc.nat(255) }, { noNullPrototype: true }), {
  maxLength: 50,
});

test('reads what it wrote, IPv4 before IPv6', () => {
  const byFamily = <T extends { host: string }>(list: readonly T[]): T[] => [
    ...list.filter((each) => !each.host.includes(':')),
    ...list.filter((each) => each.host.includes(':')),
  ];
  fc.assert(
    fc.property(flagged, peers, (added, dropped) => {
      const bytes = pexCodec.encode({ added, dropped });
      assert.deepEqual(pexCodec.decode(bytes), { added: byFamily(added), dropped: byFamily(dropped) });
    }),
  );
});

test('writes what BEP 11 shows', () => {
  const bytes = pexCodec.encode({
    added: [{ host: '1.2.3.4', port: 258, flags: 0x12 }],
    dropped: [{ host: '::1', port: 259 }],
  });
  const six = `${'\0'.repeat(15)}\x01\x01\x03`;
  assert.equal(
    Buffer.from(bytes).toString('latin1'),
    `d5:added6:\x01\x02\x03\x04\x01\x027:added.f1:\x128:dropped618:${six}e`,
  );
});

test('keeps each flag with its peer when others are left out, and takes missing ones for none', () => {
  const bytes = encodeBencode({
    added: Buffer.from('\x01\x02\x03\x04\0\0\x01\x02\x03\x05\0\x01\x01\x02\x03\x06\0\x01', 'latin1'),
    'added.f': Buffer.from([1, 2]),
  });
  const message = pexCodec.decode(bytes);
  assert.ok(typeof message !== 'string');
  assert.deepEqual(message.added, [
    { host: '1.2.3.5', port: 1, flags: 2 },
    { host: '1.2.3.6', port: 1, flags: 0 },
  ]);
});

test('refuses what is no message, in time and memory that nobody notices', () => {
  const hostile = [
    '',
    'd-3:',
    'l-3:',
    'i1e',
    'le',
    'de5:extra',
    'd5:addedi1ee',
    'd5:added5:12345e',
    'd5:addedd1:a1:bee',
    'd6:added617:aaaaaaaaaaaaaaaaae',
    'd7:dropped1:ae',
    `d5:added${'l'.repeat(10_000)}`,
    `d5:added16388:${'a'.repeat(16_388)}e`,
    'd5:added99999999999:ae',
  ];
  for (const text of hostile)
    assert.equal(typeof pexCodec.decode(Buffer.from(text)), 'string', text.slice(0, 40));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      pexCodec.decode(bytes);
    }),
  );
});

test('passes over keys and flags of no known meaning', () => {
  const bytes = encodeBencode({ added: new Uint8Array(0), 'added.f': 7, toString: 1, __proto__x: [1] });
  assert.deepEqual(pexCodec.decode(bytes), { added: [], dropped: [] });
});
