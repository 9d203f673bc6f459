/**
 * Untrusted text: the one sanitiser for every string that a file, peer, tracker or host name brought along.
 * What leaves `printable()` holds no control, no invisible and no unmeasurable character, and fits its cells.
 */

/** Stands for what was there and cannot be shown. */
const REPLACEMENT = '\u{fffd}';
const ELLIPSIS = '…';
/** Marks kept on one base character: enough for Vietnamese and Thai, too few to climb over other lines. */
const MAX_MARKS_PER_BASE = 2;
/** Code units looked at per cell asked for; bounds the work however long the text is. */
const CODE_UNITS_PER_CELL = 8;

const PLAIN_ASCII = /^[\x20-\x7e]*$/;
const MARK_FLOOD = /(\p{Mn}{3})\p{Mn}+/gu;
const SPACE = /[\t\n\v\f\r\u0085\u2800\p{Z}]/u;
const INVISIBLE = /(?!\p{Bidi_Control})[\p{Default_Ignorable_Code_Point}\p{Me}]/u;
/** Controls, bidi controls, other format characters, lone surrogates, private use, unassigned, U+FFFC. */
const UNPRINTABLE = /[\p{C}\ufffc]/u;
const MARK = /\p{Mn}/u;
/**
 * Terminals disagree on their cells: emoji and astral symbols, conjoining jamo left over by NFC, hexagrams,
 * and the ideographic scripts outside of the CJK planes.
 */
const UNMEASURABLE =
  /[\p{Emoji_Presentation}\p{RI}\p{Emoji_Modifier}\u{1160}-\u{11ff}\u{d7b0}-\u{d7ff}\u{4dc0}-\u{4dff}\u{16fe0}-\u{1b2ff}\u{1d300}-\u{1d37f}\u{1f000}-\u{1fbff}]/u;

/** First and last code points that take two cells (UAX 11: W and F), ascending. */
const WIDE_RANGES: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f], // Hangul jamo
  [0x2329, 0x232a], // angle brackets
  [0x2e80, 0x303e], // CJK radicals, punctuation
  [0x3041, 0x3247], // kana, bopomofo, Hangul compatibility jamo
  [0x3250, 0x4dbf], // CJK squared words, extension A
  [0x4e00, 0xa4cf], // CJK unified, Yi
  [0xa960, 0xa97f], // Hangul jamo extended A
  [0xac00, 0xd7a3], // Hangul syllables
  [0xf900, 0xfaff], // CJK compatibility ideographs
  [0xfe10, 0xfe19], // vertical forms
  [0xfe30, 0xfe6f], // CJK compatibility forms
  [0xff01, 0xff60], // full-width forms
  [0xffe0, 0xffe6],
  [0x1f000, 0x1fbff], // emoji: never left by printable()
  [0x20000, 0x3fffd], // CJK planes
];

/**
 * `text` made safe to print on a terminal and at most `maxCells` cells wide; what is longer ends in `…`.
 * White space becomes a plain space, invisible characters vanish, each run of anything else that cannot be
 * shown or measured becomes one U+FFFD. The work is bounded by `maxCells`, not by the length of `text`.
 */
export function printable(text: string, maxCells = 200): string {
  if (maxCells <= 0) return '';
  if (text.length <= maxCells && PLAIN_ASCII.test(text)) return text;
  const limit = maxCells * CODE_UNITS_PER_CELL;
  const clean = strip(text.slice(0, limit).replace(MARK_FLOOD, '$1').normalize('NFC')).normalize('NFC');
  return cut(clean, maxCells, text.length > limit);
}

/** Cells that `text` takes on a terminal. Exact for what `printable()` returned. */
export function cellWidth(text: string): number {
  if (PLAIN_ASCII.test(text)) return text.length;
  let cells = 0;
  for (const char of text) cells += charWidth(char);
  return cells;
}

function charWidth(char: string): 0 | 1 | 2 {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (MARK.test(char)) return 0;
  for (const [first, last] of WIDE_RANGES) {
    if (code < first) return 1;
    if (code <= last) return 2;
  }
  return 1;
}

function strip(text: string): string {
  let out = '';
  let marks = MAX_MARKS_PER_BASE; // a mark needs a base
  let replaced = false;
  for (const char of text) {
    if (char >= ' ' && char <= '~') {
      out += char;
      marks = char === ' ' ? MAX_MARKS_PER_BASE : 0;
      replaced = false;
    } else if (SPACE.test(char)) {
      out += ' ';
      marks = MAX_MARKS_PER_BASE;
      replaced = false;
    } else if (INVISIBLE.test(char)) {
      // A joiner inside an emoji sequence must not split the run that one replacement stands for.
    } else if (UNPRINTABLE.test(char) || UNMEASURABLE.test(char) || char === REPLACEMENT) {
      if (!replaced) out += REPLACEMENT;
      marks = MAX_MARKS_PER_BASE;
      replaced = true;
    } else if (MARK.test(char)) {
      if (marks < MAX_MARKS_PER_BASE) out += char;
      marks++;
    } else {
      out += char;
      marks = 0;
      replaced = false;
    }
  }
  return out;
}

function cut(text: string, maxCells: number, more: boolean): string {
  let cells = 0;
  let end = 0; // of the longest prefix that leaves a cell for the ellipsis
  let index = 0;
  for (const char of text) {
    cells += charWidth(char);
    if (cells > maxCells) return text.slice(0, end) + ELLIPSIS;
    index += char.length;
    if (cells < maxCells) end = index;
  }
  return more ? text.slice(0, end) + ELLIPSIS : text;
}
