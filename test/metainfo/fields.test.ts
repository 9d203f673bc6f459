import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { TextDecoder } from 'node:util';
import fc from 'fast-check';
import { TextDecoding } from '../../engine/metainfo/fields.js';

const ENCODINGS = [
  ...['utf-8', 'latin1', 'windows-1251', 'koi8-r', 'windows-874', 'iso-8859-8', 'macintosh', 'shift_jis'],
  ...['euc-jp', 'iso-2022-jp', 'gbk', 'gb18030', 'big5', 'euc-kr', 'utf-16le', 'utf-16be', 'no such', ''],
];

const labelled = (label: string) => new TextDecoding(Buffer.from(label));

/** The same, said plainly: what a decoder throws at is not its encoding. */
function plainly(label: string, bytes: Uint8Array): string {
  for (const [name, ignoreBOM] of [['utf-8', true] as const, [label, false] as const]) {
    try {
      return new TextDecoder(name, { fatal: true, ignoreBOM }).decode(bytes);
    } catch {
      // Not this one.
    }
  }
  return Buffer.from(bytes).toString('latin1');
}

test('text is UTF-8, else what the torrent says, else latin1, for any bytes and encoding', () => {
  const awkward = [0x00, 0x1a, 0x1b, 0x24, 0x31, 0x41, 0x42, 0x80, 0x84, 0xa4, 0xbf, 0xd8, 0xef, 0xfd, 0xff];
  const byte = fc.oneof(fc.constantFrom(...awkward), fc.nat(255));
  const text = fc.oneof(
    fc.array(byte, { maxLength: 8 }).map((bytes) => Uint8Array.from(bytes)),
    fc.string({ unit: 'binary', maxLength: 6 }).map((said) => new Uint8Array(Buffer.from(said))),
    fc.string({ unit: 'binary', maxLength: 6 }).map((said) => new Uint8Array(Buffer.from(said, 'utf16le'))),
  );
  fc.assert(
    fc.property(fc.constantFrom(...ENCODINGS), text, (label, bytes) => {
      assert.equal(labelled(label).decode(bytes), plainly(label, bytes));
    }),
    { numRuns: 20_000 },
  );
});

test('every pair of bytes reads as its encoding has it', () => {
  for (const label of ['shift_jis', 'gbk', 'big5', 'euc-kr', 'utf-16le', 'windows-1252']) {
    for (let first = 0x80; first < 0x100; first += 3) {
      const text = labelled(label);
      for (let second = 0; second < 0x100; second++) {
        const bytes = Uint8Array.of(first, second);
        assert.equal(text.decode(bytes), plainly(label, bytes), `${label} ${first} ${second}`);
      }
    }
  }
});

test('a decoder is made to throw a bounded number of times, however much is not text', (t) => {
  t.after(() => mock.restoreAll());
  const decode = mock.method(TextDecoder.prototype, 'decode');
  const text = labelled('shift_jis');
  const [broken, good] = [Uint8Array.of(0xff), Uint8Array.of(0x83, 0x41)];
  for (let i = 0; i < 5_000; i++) {
    assert.equal(text.decode(broken), '\xff');
    assert.equal(text.decode(good), 'ア');
  }
  const thrown = decode.mock.calls.filter(({ error }) => error !== undefined).length;
  assert.ok(thrown <= 1_000, `${thrown}`);
});
