import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cellWidth, printable } from '../engine/untrusted-text.js';

const FORBIDDEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]/u;

const hostileText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom(
        '\x1b]52;c;AAAA\x07',
        '\x9b2J',
        '\u202e',
        '\u200b',
        '\ud800',
        '\udc00',
        '\u0301\u0302\u0303',
        '\u0903\u0301\u0302\u0323',
      ),
      fc.constantFrom(
        '한국어',
        '日本語',
        '👩‍👩‍👧',
        '🇩🇪',
        '1️⃣',
        'ᄀ\u200bᅡ',
        '\uFB1D\u05B8\u05BC',
        '\r\n\t',
        'é',
        'e\u200b\u0301',
      ),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));

test('leaves ordinary names as they are', () => {
  for (const name of [
    'debian-12.7.0-amd64-netinst.iso',
    'Ubuntu 24.04 (LTS) [x64] {final}',
    'Größe – naïve café ½',
    '日本語のファイル.txt',
    'Привет мир',
    'Việt Nam',
    '한국어',
    'ไทย',
  ]) {
    assert.equal(printable(name), name.normalize('NFC'));
  }
});

test('takes the bite out of escape sequences, in their 7-bit and 8-bit forms', () => {
  assert.equal(printable('a\x1b]52;c;ZXZpbA==\x07b'), 'a\ufffd]52;c;ZXZpbA==\ufffdb');
  assert.equal(printable('\x9b2Jgone'), '\ufffd2Jgone');
  assert.equal(printable('\x1b[31mred\x7f'), '\ufffd[31mred\ufffd');
});

test('turns line breaks and other white space into a plain space', () => {
  assert.equal(printable('one\rtwo\nthree\tfour\u2028five\u00a0six'), 'one two three four five six');
});

test('shows that text direction was tampered with instead of obeying', () => {
  assert.equal(printable('photo\u202egpj.exe'), 'photo\ufffdgpj.exe');
  assert.equal(printable('\u2066a\u2069'), '\ufffda\ufffd');
});

test('drops what cannot be seen', () => {
  assert.equal(printable('a\u200bb\u200dc\ufeffd\u00ade\u{e0041}\u115ff'), 'abcdef');
});

test('does not interpret markup of any kind', () => {
  assert.equal(printable('{red-fg}x{/red-fg} <b> %s'), '{red-fg}x{/red-fg} <b> %s');
});

test('keeps two marks on a character and drops the flood above them', () => {
  assert.equal(printable(`q${'\u0323'.repeat(50)}x`), 'q\u0323\u0323x');
  assert.equal(printable('\u0301\u0301starts with marks'), 'starts with marks');
});

test('replaces lone surrogates, private use and unassigned characters', () => {
  assert.equal(printable('a\ud800b\udfffc\ue000d\u0378e'), 'a\ufffdb\ufffdc\ufffdd\ufffde');
});

test('replaces what terminals measure differently, a sequence at a time', () => {
  assert.equal(printable('👩‍👩‍👧 family'), '\ufffd family');
  assert.equal(printable('🇩🇪 flag ⚡'), '\ufffd flag \ufffd');
});

test('measures East Asian wide characters as two cells and marks as none', () => {
  assert.equal(cellWidth('日本'), 4);
  assert.equal(cellWidth('한국'), 4);
  assert.equal(cellWidth('ｆｕｌｌ'), 8);
  assert.equal(cellWidth('q\u0323x'), 2);
  assert.equal(cellWidth('Größe █▓░ ⣿ ─'), 13);
});

test('cuts to the cells asked for and never through a wide character', () => {
  assert.equal(printable('abcdef', 6), 'abcdef');
  assert.equal(printable('abcdefg', 6), 'abcde…');
  assert.equal(printable('日本語', 5), '日本…');
  assert.equal(printable('日本語', 4), '日…');
  assert.equal(printable('日本語', 1), '…');
  assert.equal(printable('abc', 0), '');
});

test('says that it cut when only invisible characters were looked at', () => {
  assert.equal(printable('\u200b'.repeat(100_000)), '…');
});

test('looks at a bounded part of endless text', () => {
  // Reading on after the cut would take minutes here: every call sees 10 million characters.
  const floods = ['a', '\u0301', '\u200b', '\x1b', '日', '👩'].map((unit) => unit.repeat(5_000_000));
  for (let round = 0; round < 200; round++) {
    for (const flood of floods) assert.ok(cellWidth(printable(flood)) <= 200);
  }
});

test('leaves nothing that controls, hides or overflows, whatever comes in', () => {
  fc.assert(
    fc.property(hostileText, fc.integer({ min: 0, max: 60 }), (text, cells) => {
      const shown = printable(text, cells);
      assert.doesNotMatch(shown, FORBIDDEN);
      assert.ok(cellWidth(shown) <= cells);
      assert.doesNotMatch(shown, /\p{Mn}{3}/u);
    }),
    { numRuns: 500 },
  );
});

test('changes nothing more the second time', () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      const once = printable(text, 1000);
      assert.equal(printable(once, 1000), once);
    }),
    { numRuns: 500 },
  );
});
