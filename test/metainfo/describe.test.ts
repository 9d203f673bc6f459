import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeTorrent } from '../../engine/metainfo/describe.js';
import { parseTorrent } from '../../engine/metainfo/parse.js';
import { makeFolder, makeSingle } from './make-torrent.js';

test('describes a torrent as plain data, without its padding', () => {
  const metainfo = parseTorrent(
    makeFolder(
      [
        { length: 10, path: ['sub', 'a'], attr: 'x' },
        { length: 16_374, attr: 'p' },
        { length: 3, path: ['b'] },
      ],
      {},
      {
        announce: 'http://t/a?b=c&d',
        'url-list': 'http://w/',
        comment: 'c',
        'creation date': 0,
        nodes: [['h', 1]],
      },
    ),
  );
  const description = describeTorrent(metainfo);
  assert.deepEqual(description, {
    infoHash: metainfo.infoHash,
    name: 'root',
    magnet: `magnet:?xt=urn:btih:${metainfo.infoHash}&dn=root&tr=http%3A%2F%2Ft%2Fa%3Fb%3Dc%26d&ws=http%3A%2F%2Fw%2F`,
    totalBytes: 16_387,
    pieceLength: 16_384,
    pieceCount: 2,
    singleFile: false,
    private: false,
    trackers: [['http://t/a?b=c&d']],
    webSeeds: ['http://w/'],
    dhtNodes: [{ host: 'h', port: 1 }],
    comment: 'c',
    createdBy: null,
    creationDate: '1970-01-01T00:00:00.000Z',
    files: [
      { index: 0, path: 'root/sub/a', lengthBytes: 10, executable: true },
      { index: 2, path: 'root/b', lengthBytes: 3, executable: false },
    ],
  });
  assert.deepEqual(JSON.parse(JSON.stringify(description)), description);
});

test('escapes a name in the magnet link, even one that is half a character', () => {
  assert.match(describeTorrent(parseTorrent(makeSingle({ name: 'a&b é' }))).magnet, /&dn=a%26b%20%C3%A9$/);
  const half = makeSingle({ name: Buffer.from('\ud83d', 'utf16le') }, { encoding: 'utf-16le' });
  assert.match(describeTorrent(parseTorrent(half)).magnet, /&dn=/);
});

test('describes the latest date that a torrent can have', () => {
  const metainfo = parseTorrent(makeSingle({}, { 'creation date': 8_640_000_000_000 }));
  assert.equal(describeTorrent(metainfo).creationDate, '+275760-09-13T00:00:00.000Z');
});
