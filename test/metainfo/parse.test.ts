import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { SwarmError } from '../../engine/errors.js';
import { type EncodableValue, encodeBencode } from '../../engine/metainfo/bencode.js';
import { parseTorrent } from '../../engine/metainfo/parse.js';
import { makeFolder, makePaths, makeSingle } from './make-torrent.js';

const sha1 = (bytes: Uint8Array | string): string => createHash('sha1').update(bytes).digest('hex');
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const diskPaths = (bytes: Uint8Array): string[] => parseTorrent(bytes).files.map((file) => file.diskPath);

describe('a torrent of the wild', () => {
  test('is read with nothing but what BEP 3 requires', () => {
    const metainfo = parseTorrent(makeSingle());
    assert.deepEqual(
      { ...metainfo, rawInfo: null, infoHash: null },
      {
        infoHash: null,
        rawInfo: null,
        name: 'a.txt',
        pieceLength: 16_384,
        pieceCount: 1,
        totalBytes: 5,
        pieceHashes: new Uint8Array(20),
        files: [{ path: ['a.txt'], diskPath: 'a.txt', lengthBytes: 5, padding: false, executable: false }],
        singleFile: true,
        private: false,
        trackers: [],
        webSeeds: [],
        dhtNodes: [],
        comment: null,
        createdBy: null,
        creationDate: null,
      },
    );
  });

  test('has the hash of the raw info dictionary, whatever the order of its keys', () => {
    const info = `d6:pieces20:${'\0'.repeat(20)}4:name1:a12:piece lengthi16384e6:lengthi5ee`;
    const metainfo = parseTorrent(latin1(`d4:info${info}e`));
    assert.equal(metainfo.infoHash, sha1(latin1(info)));
    assert.deepEqual(Buffer.from(metainfo.rawInfo), latin1(info));
  });

  test('has the hash of all of info, unknown keys and odd integers included', () => {
    const info = `d1:\xffi18446744073709551615e6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:${'\0'.repeat(20)}e`;
    assert.equal(parseTorrent(latin1(`d4:info${info}e`)).infoHash, sha1(latin1(info)));
  });

  test('does not change when the memory it was read from does', () => {
    const bytes = Buffer.from(makeSingle({ pieces: new Uint8Array(20).fill(7) }));
    const { pieceHashes, rawInfo, infoHash } = parseTorrent(bytes);
    bytes.fill(0);
    assert.deepEqual(pieceHashes, new Uint8Array(20).fill(7));
    assert.equal(sha1(rawInfo), infoHash);
  });

  test('lays its files out below a folder of its name', () => {
    const bytes = makeFolder([
      { length: 20_000, path: ['sub', 'big'] },
      { length: 0, path: ['empty'] },
      { length: 12_769, path: ['z'], attr: 'x' },
    ]);
    const { files, totalBytes, pieceCount, singleFile } = parseTorrent(bytes);
    assert.deepEqual(
      { totalBytes, pieceCount, singleFile },
      { totalBytes: 32_769, pieceCount: 3, singleFile: false },
    );
    assert.deepEqual(
      files.map((file) => [file.path, file.diskPath, file.lengthBytes, file.executable]),
      [
        [['sub', 'big'], 'root/sub/big', 20_000, false],
        [['empty'], 'root/empty', 0, false],
        [['z'], 'root/z', 12_769, true],
      ],
    );
  });

  test('is a folder when it has both files and a length', () => {
    const { files, totalBytes } = parseTorrent(makeFolder([{ path: ['a'], length: 3 }], { length: 99 }));
    assert.deepEqual([files[0]?.diskPath, totalBytes], ['root/a', 3]);
  });

  test('may have no bytes at all', () => {
    assert.equal(parseTorrent(makeSingle({ length: 0, pieces: '' })).pieceCount, 0);
    assert.equal(
      parseTorrent(
        makeFolder([
          { length: 0, path: ['a'] },
          { length: 0, path: ['b'] },
        ]),
      ).totalBytes,
      0,
    );
  });

  test('marks padding files, by BEP 47 and by BitComet, which may share a path or have none', () => {
    const { files } = parseTorrent(
      makeFolder([
        { length: 10, path: ['a'] },
        { length: 5, path: ['.pad', '5'], attr: 'p' },
        { length: 5, path: ['.pad', '5'], attr: 'p' },
        { length: 7, attr: 'p' },
        { length: 9, path: ['_____padding_file_0_if you see this file, please update'] },
      ]),
    );
    assert.deepEqual(
      files.map((file) => file.padding),
      [false, true, true, true, true],
    );
    assert.deepEqual(files[3]?.path, ['.pad', '7']);
  });

  test('leaves symbolic links out, wherever they lead', () => {
    const link = (target: string[]) => ({ length: 0, path: ['link'], attr: 'l', 'symlink path': target });
    for (const target of [['a'], ['..', '..', 'etc', 'passwd'], ['link'], []])
      assert.deepEqual(diskPaths(makeFolder([{ path: ['a'] }, link(target)])), ['root/a']);
    const unnamed = makeFolder([
      { path: ['a'] },
      { length: undefined, path: ['l'], attr: 'l', 'symlink path': ['a'] },
    ]);
    assert.deepEqual(diskPaths(unnamed), ['root/a']);
    assert.throws(() => parseTorrent(makeFolder([link(['a'])])), {
      code: 'TORRENT_INVALID',
      message: /info.files/,
    });
  });

  test('has its name and paths from their UTF-8 twins where it has them', () => {
    const bytes = makeFolder([{ path: ['junk'], 'path.utf-8': ['déjà', 'vu'] }], { 'name.utf-8': 'naïve' });
    assert.deepEqual(diskPaths(bytes), ['naïve/déjà/vu']);
  });

  test('may be in the encoding it names, or in none that is known', () => {
    const gbk = new Uint8Array([0xd6, 0xd0, 0xce, 0xc4]);
    assert.deepEqual(diskPaths(makeSingle({ name: gbk }, { encoding: 'GBK' })), ['中文']);
    assert.deepEqual(diskPaths(makeSingle({ name: '中文' }, { encoding: 'GBK' })), ['中文']);
    assert.deepEqual(diskPaths(makeSingle({ name: latin1('caf\xe9') }, { encoding: 'no such' })), ['café']);
    assert.deepEqual(diskPaths(makeSingle({ name: latin1('caf\xe9') })), ['café']);
  });

  test('may use an encoding that hides a path out, which is seen', () => {
    const hidden = Buffer.from('/etc/passwd', 'utf16le');
    hidden[1] = 0xd8; // an invalid half makes it latin1, with NULs in it
    assert.throws(() => parseTorrent(makeSingle({ name: hidden }, { encoding: 'utf-16le' })), {
      code: 'TORRENT_UNSAFE_PATH',
    });
    const dots = latin1('\x1b$B\x1b(B..'); // ISO-2022-JP escapes that decode to nothing, and ".."
    assert.doesNotThrow(() => parseTorrent(makeSingle({ name: dots }, { encoding: 'iso-2022-jp' })));
  });

  test('has trackers in tiers, in announce alone, or in neither', () => {
    const trackers = (root: Parameters<typeof makeSingle>[1]) => parseTorrent(makeSingle({}, root)).trackers;
    assert.deepEqual(trackers({ announce: 'http://a/' }), [['http://a/']]);
    assert.deepEqual(
      trackers({ announce: 'http://a/', 'announce-list': [['udp://b', 'http://c/'], ['http://d/']] }),
      [['udp://b', 'http://c/'], ['http://d/']],
    );
    assert.deepEqual(trackers({ announce: 'http://a/', 'announce-list': [] }), [['http://a/']]);
    assert.deepEqual(trackers({ announce: 'http://a/', 'announce-list': [[], [''], [3]] }), [['http://a/']]);
    assert.deepEqual(trackers({ 'announce-list': ['udp://flat', [' udp://b ', 'udp://b'], ['udp://b']] }), [
      ['udp://flat'],
      ['udp://b'],
    ]);
    assert.deepEqual(trackers({ announce: 7, 'announce-list': 'udp://text' }), []);
  });

  test('has bounded lists of trackers, web seeds and nodes', () => {
    const urls = Array.from({ length: 2_000 }, (_, i) => `http://t${i}/`);
    const metainfo = parseTorrent(
      makeSingle(
        {},
        {
          'announce-list': [urls, ['x'.repeat(5_000)]],
          'url-list': urls,
          nodes: urls.map((url) => [url, 1]),
        },
      ),
    );
    assert.deepEqual(
      metainfo.trackers.map((tier) => tier.length),
      [500],
    );
    assert.equal(metainfo.webSeeds.length, 500);
    assert.equal(metainfo.dhtNodes.length, 100);
  });

  test('has a bounded number of URLs looked at, the same one again and what is none included', () => {
    const junk = (count: number) => Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'http://a/' : i));
    const read = (urls: EncodableValue) => {
      const metainfo = parseTorrent(
        makeSingle({}, { 'announce-list': [urls], announce: 'http://c/', 'url-list': urls }),
      );
      return [metainfo.trackers.flat(), metainfo.webSeeds];
    };
    const both = ['http://a/', 'http://b/'];
    assert.deepEqual(read([...junk(4_999), 'http://b/']), [both, both]);
    assert.deepEqual(read([...junk(5_000), 'http://b/']), [['http://a/'], ['http://a/']]);
    assert.deepEqual(read([...junk(5_000).map(() => 7), 'http://b/']), [['http://c/'], []]);
  });

  test('has web seeds as one string or a list', () => {
    const seeds = (value: string | readonly string[]) =>
      parseTorrent(makeSingle({}, { 'url-list': value })).webSeeds;
    assert.deepEqual(seeds('http://a/'), ['http://a/']);
    assert.deepEqual(seeds(''), []);
    assert.deepEqual(seeds(['http://a/', 'http://b/', 'http://a/']), ['http://a/', 'http://b/']);
  });

  test('has DHT nodes, of which the impossible are dropped', () => {
    const nodes = [
      ['1.2.3.4', 6881],
      ['host.example', 1],
      ['x', 0],
      ['x', 65_536],
      ['', 1],
      [1, 2],
      'x',
      ['y'],
    ];
    assert.deepEqual(parseTorrent(makeSingle({}, { nodes })).dhtNodes, [
      { host: '1.2.3.4', port: 6881 },
      { host: 'host.example', port: 1 },
    ]);
  });

  test('has at most a million names in the paths of its files', () => {
    const files = Array.from({ length: 10_001 }, () => `d6:lengthi1e4:pathl${'1:a'.repeat(100)}ee`).join('');
    const info = `5:filesl${files}e4:name1:d12:piece lengthi16384e6:pieces20:${'x'.repeat(20)}`;
    assert.throws(() => parseTorrent(Buffer.from(`d4:infod${info}ee`)), {
      code: 'TORRENT_TOO_LARGE',
      details: { field: 'info.files', value: 'a list of 10001' },
    });
  });

  test('says whether it is private, who made it, when and why', () => {
    const bytes = makeSingle(
      { private: 1 },
      { comment: 'hé', 'created by': 'x', 'creation date': 1_700_000_000, unknown: ['y'] },
    );
    const { private: isPrivate, comment, createdBy, creationDate } = parseTorrent(bytes);
    assert.deepEqual([isPrivate, comment, createdBy, creationDate], [true, 'hé', 'x', 1_700_000_000]);
    assert.equal(parseTorrent(makeSingle({ private: 0 })).private, false);
  });

  test('may have odd optional fields, which are as if not there', () => {
    const bytes = makeSingle(
      { private: 'yes', attr: 5 },
      {
        comment: 5,
        'created by': [],
        'creation date': -1,
        nodes: 1,
        'url-list': 3,
        encoding: 9,
        'announce-list': 2,
      },
    );
    const { private: isPrivate, comment, creationDate, dhtNodes } = parseTorrent(bytes);
    assert.deepEqual([isPrivate, comment, creationDate, dhtNodes], [false, null, null, []]);
  });

  test('is read by its v1 half when it is a hybrid, and refused by name when it is v2 alone', () => {
    assert.equal(parseTorrent(makeSingle({ 'meta version': 2, 'file tree': {} })).pieceCount, 1);
    assert.throws(() => parseTorrent(makeSingle({ 'meta version': 2, 'file tree': {}, pieces: undefined })), {
      code: 'TORRENT_NOT_SUPPORTED',
      details: { field: 'info.meta version', value: '2' },
    });
  });

  test('may have 5,000 files, or 94,000', () => {
    for (const count of [5_000, 94_000]) {
      const files = Array.from({ length: count }, (_, i) => ({ path: [`dir${i >> 6}`, `file ${i}`] }));
      const metainfo = parseTorrent(makeFolder(files));
      assert.equal(metainfo.files.length, count);
      assert.equal(metainfo.files[4_999]?.diskPath, 'root/dir78/file 4999');
    }
  });
});

describe('an impossible torrent is refused, naming field and value:', () => {
  const cases: readonly (readonly [
    title: string,
    bytes: Uint8Array,
    code: string,
    field: string,
    value: string,
  ])[] = [
    ['a list for a root', latin1('le'), 'TORRENT_INVALID', 'torrent file', 'a list of 0'],
    ['no info', latin1('de'), 'TORRENT_INVALID', 'info', 'missing'],
    ['a text for info', latin1('d4:info1:xe'), 'TORRENT_INVALID', 'info', '"x"'],
    ['no name', makeSingle({ name: undefined }), 'TORRENT_INVALID', 'info.name', 'missing'],
    ['a number for a name', makeSingle({ name: 3 }), 'TORRENT_INVALID', 'info.name', '3'],
    ['no length', makeSingle({ length: undefined }), 'TORRENT_INVALID', 'info.length', 'missing'],
    ['a negative length', makeSingle({ length: -1 }), 'TORRENT_INVALID', 'info.length', '-1'],
    ['a text for a length', makeSingle({ length: '5' }), 'TORRENT_INVALID', 'info.length', '"5"'],
    [
      'no piece length',
      makeSingle({ 'piece length': undefined }),
      'TORRENT_INVALID',
      'info.piece length',
      'missing',
    ],
    ['pieces of nothing', makeSingle({ 'piece length': 0 }), 'TORRENT_INVALID', 'info.piece length', '0'],
    ['negative pieces', makeSingle({ 'piece length': -1 }), 'TORRENT_INVALID', 'info.piece length', '-1'],
    [
      'huge pieces',
      makeSingle({ 'piece length': 2 ** 28 }),
      'TORRENT_INVALID',
      'info.piece length',
      '268435456',
    ],
    ['no pieces', makeSingle({ pieces: undefined }), 'TORRENT_INVALID', 'info.pieces', 'missing'],
    ['a number for pieces', makeSingle({ pieces: 20 }), 'TORRENT_INVALID', 'info.pieces', '20'],
    ['too few pieces', makeSingle({ length: 16_385 }), 'TORRENT_INVALID', 'info.pieces', '20'],
    ['too many pieces', makeSingle({ pieces: new Uint8Array(40) }), 'TORRENT_INVALID', 'info.pieces', '40'],
    ['part of a piece', makeSingle({ pieces: new Uint8Array(21) }), 'TORRENT_INVALID', 'info.pieces', '21'],
    ['no files', makeFolder([]), 'TORRENT_INVALID', 'info.files', 'a list of 0'],
    ['files that are none', makeFolder([], { files: [3] }), 'TORRENT_INVALID', 'info.files[0]', '3'],
    ['a file without a path', makeFolder([{}]), 'TORRENT_INVALID', 'info.files[0].path', 'missing'],
    ['an empty path', makeFolder([{ path: [] }]), 'TORRENT_INVALID', 'info.files[0].path', 'a list of 0'],
    ['a number in a path', makeFolder([{ path: ['a', 1] }]), 'TORRENT_INVALID', 'info.files[0].path', '1'],
    [
      'a file of negative length',
      makeFolder([{ path: ['a'], length: -5 }]),
      'TORRENT_INVALID',
      'info.files[0].length',
      '-5',
    ],
    ['an empty part of a path', makePaths(['a', '']), 'TORRENT_UNSAFE_PATH', 'info.files[0].path', '""'],
    ['a path out', makePaths(['ok'], ['..', 'x']), 'TORRENT_UNSAFE_PATH', 'info.files[1].path', '".."'],
    [
      'a path too deep',
      makePaths(Array(101).fill('a')),
      'TORRENT_TOO_LARGE',
      'info.files[0].path',
      'a list of 101',
    ],
    ['a name out', makeSingle({ name: '..' }), 'TORRENT_UNSAFE_PATH', 'info.name', '".."'],
    ['an empty name', makeFolder([{ path: ['a'] }], { name: '' }), 'TORRENT_UNSAFE_PATH', 'info.name', '""'],
    ['one path twice', makePaths(['a'], ['a']), 'TORRENT_UNSAFE_PATH', 'info.files[1].path', '"root/a"'],
    [
      'a file that is a folder',
      makePaths(['a'], ['a', 'b']),
      'TORRENT_UNSAFE_PATH',
      'info.files[0].path',
      '"root/a"',
    ],
    [
      'more pieces than anybody can keep',
      makeSingle({ length: 2_097_152 * 16_384 + 1 }),
      'TORRENT_TOO_LARGE',
      'info.piece length',
      '16384',
    ],
    [
      'lengths that overflow together',
      makeFolder(
        Array.from({ length: 9 }, (_, i) => ({ path: [`${i}`], length: Number.MAX_SAFE_INTEGER })),
        {
          pieces: '',
        },
      ),
      'TORRENT_TOO_LARGE',
      'info.piece length',
      '16384',
    ],
  ];
  for (const [title, bytes, code, field, value] of cases) {
    test(title, () => {
      assert.throws(
        () => parseTorrent(bytes),
        (thrown: SwarmError) => {
          assert.deepEqual([thrown.code, thrown.details.field, thrown.details.value], [code, field, value]);
          assert.ok(thrown.message.includes(field) && thrown.message.includes(value), thrown.message);
          return true;
        },
      );
    });
  }

  test('a length beyond 64 bits', () => {
    for (const length of ['9223372036854775808', '18446744073709551615', '99999999999999999999']) {
      const info = `d6:lengthi${length}e4:name1:a12:piece lengthi16384e6:pieces0:e`;
      assert.throws(() => parseTorrent(latin1(`d4:info${info}e`)), {
        code: 'TORRENT_INVALID',
        details: { field: 'info.length', value: length },
      });
    }
  });

  test('a value that would drive a terminal', () => {
    assert.throws(() => parseTorrent(makePaths([Buffer.from('/\x1b]52;c;x\x07\r\u202e\u009b2J\u00a0é')])), {
      message:
        '"info.files[0].path" has a "/" within a name: "/\\u001b]52;c;x\\u0007\\r\\u{202e}\\u{9b}2J\\u{a0}é"',
    });
  });

  test('a value too long to be shown', () => {
    assert.throws(
      () => parseTorrent(makePaths([`../${'x'.repeat(1_000_000)}`])),
      (thrown: SwarmError) => thrown.code === 'TORRENT_UNSAFE_PATH' && thrown.message.length < 300,
    );
  });

  test('a file of more than 32 MiB', () => {
    assert.throws(() => parseTorrent(new Uint8Array(32 * 1024 * 1024 + 1)), { code: 'TORRENT_TOO_LARGE' });
  });

  test('what is not bencode, saying where', () => {
    assert.throws(() => parseTorrent(encodeBencode({ a: 1 }).subarray(0, 5)), {
      code: 'TORRENT_NOT_BENCODE',
      details: { field: 'torrent file', value: 'cut short', offset: 5 },
    });
    for (const text of ['', '<!doctype html>', 'd-3:', 'l-3:', 'd1:', '10:abc', 'i-0e', 'i1.5e'])
      assert.throws(() => parseTorrent(latin1(text)), { code: 'TORRENT_NOT_BENCODE' });
  });
});
