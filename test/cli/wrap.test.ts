import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { wrap } from '../../cli/wrap.js';
import { cellWidth } from '../../engine/text.js';

test('breaks between words, and within a word only where it is longer than a line', () => {
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  assert.deepEqual(wrap('a abcdefgh b', 3), ['a', 'abc', 'def', 'gh', 'b']);
  assert.deepEqual(wrap('界界界', 4), ['界界', '界']);
  assert.deepEqual(wrap('all of it', Number.POSITIVE_INFINITY), ['all of it']);
});

test('loses nothing, and no line is too long', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 200 }),
      fc.integer({ min: 2, max: 50 }),
      (given, cells) => {
        const lines = wrap(given, cells);
        for (const line of lines) assert.ok(cellWidth(line) <= cells, line);
        assert.equal(lines.join('').replaceAll(' ', ''), given.replaceAll(' ', ''));
      },
    ),
  );
});
