/** Names cut to cells. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cellWidth, printable } from '../../engine/untrusted-text.js';
import { shorten } from '../../tui/shorten.js';

test('a name is cut in its middle, so that names of a kind can be told apart', () => {
  assert.equal(shorten('Some series S01E02.mkv', 22), 'Some series S01E02.mkv');
  assert.equal(shorten('Some series S01E02.mkv', 18), 'Some series…02.mkv');
  assert.notEqual(shorten('A long name of episode 1', 16), shorten('A long name of episode 2', 16));
  assert.equal(shorten('日本語の資料集 2024 第一巻', 16), '日本語の資…一巻');
  assert.equal(
    shorten('Some series S01E02.mkv', 8),
    'Some se…',
    'or at its end where there is no room for both',
  );
});

test('whatever the name, it takes no more than its cells and stays printable', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 600 }), fc.string({ unit: 'grapheme' })),
      fc.integer({ min: 0, max: 80 }),
      (name, width) => {
        const shown = shorten(name, width);
        assert.ok(cellWidth(shown) <= width);
        assert.equal(printable(shown, width), shown);
        const whole = printable(name, 400);
        if (cellWidth(whole) <= width) assert.equal(shown, whole);
      },
    ),
    { numRuns: 500 },
  );
});
