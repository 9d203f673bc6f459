import assert from 'node:assert/strict';
import { posix, win32 } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SwarmError } from '../../engine/errors.js';
import { toDiskPaths } from '../../engine/metainfo/disk-path.js';

const fieldOf = (index: number): string => `info.files[${index}].path`;
const map = (paths: readonly (readonly string[])[], windows = false): string[] =>
  toDiskPaths(
    paths.map((names) => ({ names: ['root', ...names], stored: true })),
    fieldOf,
    windows,
  );
const mapOne = (name: string, windows = false): string =>
  map([[name]], windows)[0]?.slice('root/'.length) ?? '';

describe('disk paths', () => {
  test('leaves ordinary names as they are, in every script', () => {
    const names = [
      'a',
      'A-b_c d.e.tar.gz',
      'Þórr',
      '日本語.mkv',
      'ى‌می',
      '👩‍🚀.png',
      '...',
      '.hidden',
      "it's & $(id)",
      '#1',
    ];
    assert.deepEqual(
      map(names.map((name) => ['dir', name])),
      names.map((name) => `root/dir/${name}`),
    );
  });

  const refused: readonly (readonly [name: string, problem: RegExp])[] = [
    ['..', /climbs out/],
    ['.', /climbs out/],
    ['', /empty name/],
    ['../x', /"\/"/],
    ['/etc/passwd', /"\/"/],
    ['a/b', /"\/"/],
    ['a\\..\\b', /climbs out/],
    ['..\\b', /climbs out/],
    ['a\\..', /climbs out/],
    ['\\\\server\\share', /climbs out/],
    ['C:\\x', /climbs out/],
    ['a\0b', /NUL/],
  ];
  for (const [name, problem] of refused) {
    test(`refuses ${JSON.stringify(name)} as file, folder and torrent name, naming field and value`, () => {
      for (const windows of [false, true]) {
        for (const path of [[name], [name, 'x'], ['x', name], ['x', name, 'y']]) {
          assert.throws(
            () => map([['fine'], path], windows),
            (thrown) => {
              assert.ok(thrown instanceof SwarmError);
              assert.equal(thrown.code, 'TORRENT_UNSAFE_PATH');
              assert.match(thrown.message, problem);
              assert.deepEqual(thrown.details, { field: 'info.files[1].path', value: JSON.stringify(name) });
              return true;
            },
          );
        }
        assert.throws(() => toDiskPaths([{ names: [name], stored: true }], fieldOf, windows), {
          code: 'TORRENT_UNSAFE_PATH',
          message: /^"info\.name"/,
        });
      }
    });
  }

  test('replaces what could steer a terminal or trick a reader', () => {
    assert.equal(mapOne('a\x1b]52;c;x\x07\r\nb'), 'a_]52;c;x___b');
    assert.equal(mapOne('\x9b2J\x7f'), '_2J_');
    assert.equal(mapOne('photo\u202egnp.exe'), 'photo_gnp.exe');
    assert.equal(mapOne('\u2066a\u2069\u2028\u061c'), '_a___');
    assert.equal(mapOne('\ud800x'), '_x');
    assert.equal(mapOne('a\\b'), 'a_b');
  });

  test('keeps on POSIX what only Windows reserves', () => {
    for (const name of ['CON', 'aux.c', 'x:ads', 'what?', 'a. ', 'a...']) assert.equal(mapOne(name), name);
  });

  test('makes names that Windows reserves into others on Windows', () => {
    const cases = [
      ['CON', '_CON'],
      ['con.txt', '_con.txt'],
      ['aux.tar.gz', '_aux.tar.gz'],
      ['NUL .x', '_NUL .x'],
      ['COM1', '_COM1'],
      ['lpt³.a', '_lpt³.a'],
      ['CONIN$', '_CONIN$'],
      ['console', 'console'],
      ['x:ads', 'x_ads'],
      ['x::$DATA', 'x__$DATA'],
      ['C:', 'C_'],
      ['<>:"|?*', '_______'],
      ['a.', 'a_'],
      ['a ', 'a_'],
      ['a. .', 'a. _'],
      ['...', '.._'],
      ['.. ', '.._'],
    ] as const;
    for (const [name, expected] of cases) assert.equal(mapOne(name, true), expected, name);
  });

  test('cuts a name of more than 255 bytes before its extension, never within a character', () => {
    assert.equal(mapOne('x'.repeat(255)), 'x'.repeat(255));
    assert.equal(mapOne(`${'x'.repeat(300)}.mkv`), `${'x'.repeat(251)}.mkv`);
    assert.equal(mapOne('é'.repeat(200)), 'é'.repeat(127));
    assert.equal(mapOne(`a.${'b'.repeat(300)}`), `a.${'b'.repeat(253)}`);
    assert.equal(mapOne(`x${'\u0301'.repeat(100_000)}`), `x${'\u0301'.repeat(127)}`);
  });

  test('tells files apart that differ only by case or Unicode form, the first keeping its name', () => {
    assert.deepEqual(map([['readme.txt'], ['README.txt'], ['ReadMe.TXT'], ['other']]), [
      'root/readme.txt',
      'root/README.1.txt',
      'root/ReadMe.2.TXT',
      'root/other',
    ]);
    assert.deepEqual(map([['caf\u00e9'], ['cafe\u0301']]), ['root/caf\u00e9', 'root/cafe\u0301.1']);
    assert.deepEqual(map([['Straße'], ['STRASSE']]), ['root/Straße', 'root/STRASSE.1']);
    assert.deepEqual(
      map([
        ['Dir', 'a'],
        ['dir', 'A'],
      ]),
      ['root/Dir/a', 'root/dir/A.1'],
    );
  });

  test('tells files apart that only became the same by being made safe', () => {
    assert.deepEqual(map([['a\x01'], ['a\x02'], ['a_']]), ['root/a_', 'root/a_.1', 'root/a_.2']);
    assert.deepEqual(map([['a?'], ['a*']], true), ['root/a_', 'root/a_.1']);
    const [first, second] = map([[`${'x'.repeat(300)}1.mkv`], [`${'x'.repeat(300)}2.mkv`]]);
    assert.equal(first, `root/${'x'.repeat(251)}.mkv`);
    assert.equal(second, `root/${'x'.repeat(249)}.1.mkv`);
  });

  test('never gives a number that a file or folder of the torrent has', () => {
    assert.deepEqual(map([['a'], ['A'], ['a.1'], ['A.2', 'x']]), [
      'root/a',
      'root/A.3',
      'root/a.1',
      'root/A.2/x',
    ]);
  });

  test('renames a file that differs from a folder only by case', () => {
    assert.deepEqual(map([['docs'], ['Docs', 'x']]), ['root/docs.1', 'root/Docs/x']);
  });

  test('refuses the same path twice', () => {
    assert.throws(() => map([['a', 'b'], ['c'], ['a', 'b']]), {
      code: 'TORRENT_UNSAFE_PATH',
      message: '"info.files[2].path" is there twice: "root/a/b"',
    });
    assert.throws(() => map([['a'], ['A'], ['A']]), { message: /is there twice/ });
  });

  test('refuses a file that is also a folder, whichever comes first', () => {
    assert.throws(() => map([['a'], ['a', 'b']]), {
      code: 'TORRENT_UNSAFE_PATH',
      message: '"info.files[0].path" is a file and a folder: "root/a"',
    });
    assert.throws(
      () =>
        map([
          ['a', 'b', 'c'],
          ['a', 'b'],
        ]),
      { message: /info.files\[1\].path" is a file and a folder/ },
    );
  });

  test('lets paths that are not stored collide', () => {
    const padding = { names: ['root', '.pad', '100'], stored: false };
    assert.deepEqual(toDiskPaths([padding, padding], fieldOf), ['root/.pad/100', 'root/.pad/100']);
  });

  test('refuses folders that are too deep, too many, or make too long a path', () => {
    const deep = (depth: number): string[] => [...Array<string>(depth - 1).fill('d'), 'f'];
    assert.doesNotThrow(() => map([deep(100)]));
    assert.throws(() => map([deep(101)]), { code: 'TORRENT_TOO_LARGE' });
    assert.throws(() => map([Array<string>(20).fill('x'.repeat(200))]), { code: 'TORRENT_UNSAFE_PATH' });
    const many = Array.from({ length: 2_600 }, (_, i) => [`d${i}`, ...deep(98)]);
    assert.throws(() => map(many), { code: 'TORRENT_TOO_LARGE', message: /folders/ });
  });

  test('does not search for free names without bound', () => {
    const colliding = (count: number): string[][] =>
      Array.from({ length: count }, (_, i) => [
        `${'x'.repeat(235)}${i.toString(2).padStart(20, '0').replaceAll('0', 'a').replaceAll('1', 'A')}`,
      ]);
    assert.equal(new Set(map(colliding(5_000)).map((path) => path.toLowerCase())).size, 5_000);
    assert.throws(() => map(colliding(20_000)), { code: 'TORRENT_TOO_LARGE' });
  });

  test('gives, for any paths, different paths below the folder or a coded error', () => {
    const part = fc.oneof(
      fc.constantFrom(
        'a',
        'A',
        'b',
        'a.1',
        '..',
        '.',
        '',
        'CON',
        'x:y',
        'a/b',
        '\\',
        'e\u0301',
        '\u00e9',
        'a ',
        'a.',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    );
    const paths = fc.array(fc.array(part, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 });
    let mapped = 0;
    fc.assert(
      fc.property(paths, fc.boolean(), (input, windows) => {
        let output: string[];
        try {
          output = map(input, windows);
        } catch (thrown) {
          assert.ok(thrown instanceof SwarmError, String(thrown));
          return;
        }
        mapped++;
        assert.equal(new Set(output.map((path) => path.normalize('NFC').toLowerCase())).size, output.length);
        for (const path of output) {
          for (const resolve of [posix.resolve, win32.resolve]) {
            const root = resolve('/download/root');
            assert.ok(resolve('/download', path).startsWith(root), path);
          }
          for (const name of path.split('/'))
            assert.match(name, /^(?!\.{0,2}$)[^\0-\x1f\x7f-\x9f\\]{1,255}$/);
        }
      }),
      { numRuns: 3_000 },
    );
    assert.ok(mapped > 500, `only ${mapped} inputs were mapped`);
  });
});
