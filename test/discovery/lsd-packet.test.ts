import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatLsd,
  MAX_LSD_BYTES,
  MAX_LSD_INFO_HASHES,
  parseLsd,
} from '../../engine/discovery/lsd-packet.js';
import { asInfoHash, type InfoHash } from '../../engine/units.js';

const infoHash = (n: number): InfoHash => asInfoHash(n.toString(16).padStart(40, '0'));
const parse = (text: string) => parseLsd(Buffer.from(text, 'latin1'));
const HASH = 'ab'.repeat(20);

test('writes what BEP 14 shows', () => {
  const packet = formatLsd('239.192.152.143:6771', { port: 6881, infoHashes: [infoHash(1)], cookie: 'x' });
  const text = `BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: ${infoHash(1)}\r\ncookie: x\r\n\r\n\r\n`;
  assert.equal(packet.toString(), text);
});

test('reads what it wrote, and fits as many info-hashes as it says into a datagram', () => {
  const infoHashes = Array.from({ length: MAX_LSD_INFO_HASHES }, (_, n) => infoHash(n));
  const announce = { port: 65_535, infoHashes, cookie: 'f'.repeat(16) };
  const packet = formatLsd('[ff15::efc0:988f]:65535', announce);
  assert.ok(packet.length <= MAX_LSD_BYTES);
  assert.deepEqual(parseLsd(packet), announce);
});

test('reads fields in any case and order, with others between', () => {
  assert.deepEqual(
    parse(`BT-SEARCH * HTTP/1.0\r\nX: y\r\nINFOHASH:${HASH.toUpperCase()}\r\nport:  7 \r\n\r\n`),
    {
      port: 7,
      infoHashes: [HASH],
      cookie: undefined,
    },
  );
});

test('drops everything else', () => {
  const fields = `Port: 1\r\nInfohash: ${HASH}\r\n`;
  assert.ok(parse(`BT-SEARCH * HTTP/1.1\r\n${fields}\r\n`));
  const hostile = [
    '',
    'BT-SEARCH * HTTP/1.1',
    'BT-SEARCH * HTTP/1.1\r\n',
    'BT-SEARCH * HTTP/1.1\r\n\r\n',
    `M-SEARCH * HTTP/1.1\r\n${fields}\r\n`,
    `BT-SEARCH * HTTP/1.1\r\n${fields}`,
    `BT-SEARCH * HTTP/1.1\r\nInfohash: ${HASH}\r\n\r\n`,
    'BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n',
    `BT-SEARCH * HTTP/1.1\r\nPort: 0\r\nInfohash: ${HASH}\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: 65536\r\nInfohash: ${HASH}\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: -1\r\nInfohash: ${HASH}\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: 1e3\r\nInfohash: ${HASH}\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nPort: 2\r\nInfohash: ${HASH}\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: ${HASH}0\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: ${HASH.slice(2)}zz\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\n${fields}X: ${'a'.repeat(1_400)}\r\n\r\n`,
  ];
  for (const text of hostile) assert.equal(parse(text), undefined, text.slice(0, 80));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_500 }), (bytes) => {
      assert.equal(parseLsd(bytes), undefined);
    }),
  );
});
