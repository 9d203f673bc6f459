import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SwarmError } from '../../engine/errors.js';
import { describeTorrent } from '../../engine/metainfo/describe.js';
import { parseMagnet } from '../../engine/metainfo/magnet.js';
import { parseTorrent } from '../../engine/metainfo/parse.js';
import { makeSingle } from './make-torrent.js';

const HASH = '0123456789abcdef0123456789abcdef01234567';
const XT = `xt=urn:btih:${HASH}`;

test('reads every part of a link', () => {
  const link =
    `magnet:?${XT}&dn=a%20name+too&tr=http%3A%2F%2Ft.example%2Fannounce%3Fa%3Db%2Bc&tr.1=udp%3A%2F%2Fu.example%3A80` +
    '&tr=udp%3A%2F%2Fu.example%3A80&ws=https%3A%2F%2Fw.example%2F&x.pe=192.0.2.1%3A6881&x.pe=[2001:db8::1]:6882' +
    '&x.pe=peer.example:1&so=0,2,4-6&xl=10';
  assert.deepEqual(parseMagnet(link), {
    infoHash: HASH,
    name: 'a name too',
    trackers: ['http://t.example/announce?a=b+c', 'udp://u.example:80'],
    webSeeds: ['https://w.example/'],
    peers: [
      { host: '192.0.2.1', port: 6881 },
      { host: '2001:db8::1', port: 6882 },
      { host: 'peer.example', port: 1 },
    ],
    files: [
      [0, 0],
      [2, 2],
      [4, 6],
    ],
  });
});

test('takes the info-hash in hex and base32, in any case, also next to a v2 one', () => {
  const base32 = 'AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH';
  for (const xt of [
    `urn:btih:${HASH}`,
    `URN:BTIH:${HASH.toUpperCase()}`,
    `urn%3Abtih%3A${HASH}`,
    `urn:btih:${base32}`,
    `urn:btih:${base32.toLowerCase()}`,
    `urn:btmh:1220${'ab'.repeat(32)}&xt=urn:btih:${HASH}`,
  ])
    assert.equal(parseMagnet(`magnet:?xt=${xt}`).infoHash, HASH, xt);
  assert.equal(parseMagnet(`MAGNET:?xt.1=urn:btih:${HASH}`).infoHash, HASH);
  assert.equal(parseMagnet(`magnet:?xt=urn:btih:${'a'.repeat(32)}`).infoHash, '0'.repeat(40));
});

test('reads back the link that a torrent is described by', () => {
  const torrent = parseTorrent(makeSingle({ name: 'a&b=c #1 ü' }, { announce: 'http://x/announce?k=1&l=2' }));
  const magnet = parseMagnet(describeTorrent(torrent).magnet);
  assert.deepEqual(
    [magnet.infoHash, magnet.name, magnet.trackers],
    [torrent.infoHash, torrent.name, ['http://x/announce?k=1&l=2']],
  );
});

test('refuses what names no v1 torrent', () => {
  for (const link of [
    '',
    'magnet:',
    'magnet:?',
    'magnet:?dn=x',
    `magnet:${XT}`,
    `http://x/?${XT}`,
    `magnet:?xt=urn:btih:${HASH}0`,
    `magnet:?xt=urn:btih:${HASH.slice(1)}`,
    `magnet:?xt=urn:btih:${'g'.repeat(40)}`,
    `magnet:?xt=urn:btih:${'1'.repeat(32)}`,
    `magnet:?xt=urn:sha1:${HASH}`,
    'magnet:?xt=%zz',
    `magnet:?${XT}&dn=${'x'.repeat(70_000)}`,
  ])
    assert.throws(() => parseMagnet(link), { code: 'INPUT_INVALID' }, link.slice(0, 60));
  assert.throws(() => parseMagnet(`magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}`), {
    code: 'TORRENT_NOT_SUPPORTED',
  });
});

test('leaves out what cannot be an address or a range, and keeps the rest', () => {
  const magnet = parseMagnet(
    `magnet:?${XT}&dn=%zz&tr=&tr=${'t'.repeat(2049)}&tr=ok&x.pe=x&x.pe=1.2.3.4:0&x.pe=1.2.3.4:65536&x.pe=::1:80` +
      '&x.pe=a/b:80&so=5-2,x,-1,1-,7,9999999999,1.5',
  );
  assert.deepEqual([magnet.name, magnet.trackers, magnet.peers, magnet.files], ['%zz', ['ok'], [], [[7, 7]]]);
});

test('huge ranges and lists of addresses stay small', () => {
  const trackers = Array.from({ length: 3_000 }, (_, n) => `tr=u${n}`).join('&');
  const ranges = Array.from({ length: 3_000 }, (_, n) => n).join(',');
  assert.equal(parseMagnet(`magnet:?${XT}&${trackers}`).trackers.length, 500);
  assert.equal(parseMagnet(`magnet:?${XT}&so=${ranges}`).files?.length, 1_000);
  assert.deepEqual(parseMagnet(`magnet:?${XT}&so=0-999999999`).files, [[0, 999_999_999]]);
});

test('keys that objects inherit are no parameters', () => {
  const magnet = parseMagnet(`magnet:?${XT}&__proto__=1&constructor=2&toString=3&=4&5`);
  assert.deepEqual([magnet.name, magnet.trackers, magnet.files], [null, [], null]);
});

test('any text is parsed or refused with a code', () => {
  const tail = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webQueryParameters());
  fc.assert(
    fc.property(
      fc.constantFrom('', 'magnet:?', `magnet:?${XT}&`, `magnet:?${XT}&so=`),
      tail,
      (head, rest) => {
        try {
          assert.equal(parseMagnet(head + rest).infoHash.length, 40);
        } catch (error) {
          assert.ok(error instanceof SwarmError, String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
