import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { SwarmError } from '../../engine/errors.js';
import { parseTorrent } from '../../engine/metainfo/parse.js';
import { makeFolder } from './make-torrent.js';

const real = Buffer.from(
  makeFolder(
    [
      { length: 40_000, path: ['sub', 'big.bin'] },
      { length: 10, path: ['.pad', '10'], attr: 'p' },
      { length: 0, path: ['empty'], 'path.utf-8': ['empty'] },
    ],
    { private: 1, source: 'x' },
    {
      announce: 'http://tracker.example/announce',
      'announce-list': [['http://tracker.example/announce'], ['udp://other.example:6969']],
      comment: 'hello',
      'created by': 'somebody',
      'creation date': 1_700_000_000,
      encoding: 'UTF-8',
      nodes: [['1.2.3.4', 6881]],
      'url-list': 'http://seed.example/',
    },
  ),
);

/** True when it is a torrent; anything but a coded error is thrown on. */
function parses(bytes: Uint8Array): boolean {
  try {
    const metainfo = parseTorrent(bytes);
    assert.equal(
      metainfo.files.reduce((sum, file) => sum + file.lengthBytes, 0),
      metainfo.totalBytes,
    );
    assert.equal(metainfo.pieceHashes.length, metainfo.pieceCount * 20);
    return true;
  } catch (thrown) {
    if (thrown instanceof SwarmError && thrown.code.startsWith('TORRENT_')) return false;
    throw thrown;
  }
}

test('a torrent cut at any byte, or continued, is refused', () => {
  assert.ok(parses(real));
  for (let end = 0; end < real.length; end++)
    assert.equal(parses(real.subarray(0, end)), false, `cut at ${end}`);
  for (const more of ['e', '\n', 'de', '\0'])
    assert.equal(parses(Buffer.concat([real, Buffer.from(more)])), false);
});

test('a torrent with any one byte changed is a torrent or a coded error', () => {
  let torrents = 0;
  for (let at = 0; at < real.length; at++) {
    for (const byte of [...Buffer.from('dlei:-019'), 0, 255, (real[at] ?? 0) ^ 1]) {
      const changed = Buffer.from(real);
      changed[at] = byte;
      if (parses(changed)) torrents++;
    }
  }
  assert.ok(torrents > 100, `${torrents} of the mutations were still torrents`);
});

test('a torrent with parts repeated, removed, moved or replaced is a torrent or a coded error', () => {
  const offset = fc.nat(real.length);
  const junk = fc.constantFrom(
    'i-1e',
    'i9999999999999999999e',
    'de',
    'le',
    '0:',
    'd',
    'l',
    'e',
    '4:info',
    '2:..',
  );
  const edit = fc.record({
    from: offset,
    to: offset,
    at: offset,
    insert: fc.oneof(junk, fc.constant(undefined)),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
      let bytes: Buffer = real;
      for (const { from, to, at, insert } of edits) {
        const part =
          insert === undefined ? bytes.subarray(Math.min(from, to), Math.max(from, to)) : Buffer.from(insert);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          part,
          bytes.subarray(insert === undefined ? Math.max(at, to) : at),
        ]);
      }
      parses(bytes);
    }),
    { numRuns: 5_000 },
  );
});

test('any bytes are a torrent or a coded error', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assert.equal(parses(bytes), false)));
});

test('decoder bombs are refused within 64 MB of heap', async () => {
  const module = new URL('../../engine/metainfo/parse.js', import.meta.url).href;
  const program = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(module)}).then(({ parseTorrent }) => {
      const mega = 1024 * 1024;
      const bombs = [
        ['l-3:'], ['d-3:'], ['d-1:'], ['99999999999999999999:a'], ['10:abc'], ['i-0e'], ['i1.5e'],
        ['i', '9', mega], ['', 'l', mega], ['', 'd', mega], ['', 'd1:a', mega / 4],
        ['', '9', mega], ['', '0', mega], ['d' + mega + ':', 'k', mega, 'i1ee'],
        ['d9:__proto__d11:constructori1eee'], ['d8:toStringi1ee'],
        ['d4:infod4:name3:a/b5:filesl', 'd4:pathl1:ae6:lengthi9e', 20000, 'eee'],
        ['d13:announce-listl', 'l0:e', mega / 4, 'ee'], ['d4:infod5:filesl', 'i1e', mega / 3, 'eee'],
        ['d1:al', '0:', mega / 2, 'ee'], ['d1:al', '1:a', mega / 3, 'ee'], ['d1:al', 'le', mega / 2, 'ee'],
        ['d1:al', 'de', mega / 2, 'ee'], ['d1:al', 'd0:0:e', mega / 6, 'ee'],
      ];
      const codes = bombs.map(([start, part = '', times = 0, end = '']) => {
        const bomb = Buffer.from(start + part.repeat(times) + end);
        try { parseTorrent(bomb); return 'accepted'; } catch (thrown) { return thrown.code ?? String(thrown); }
      });
      parentPort.postMessage(codes);
    });`;
  const worker = new Worker(program, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 64 } });
  try {
    const [codes] = (await once(worker, 'message')) as [string[]];
    assert.equal(codes.length, 24);
    for (const [i, code] of codes.entries())
      assert.match(code, /^TORRENT_(NOT_BENCODE|INVALID)$/, `bomb ${i}`);
  } finally {
    await worker.terminate();
  }
});
