import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  BencodeError,
  type BencodeValue,
  decodeBencode,
  decodeBencodePrefix,
  decodeBencodeWithSpan,
  encodeBencode,
} from '../../engine/metainfo/bencode.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const decode = (text: string): BencodeValue => decodeBencode(bytes(text));
const encode = (value: Parameters<typeof encodeBencode>[0]): string =>
  Buffer.from(encodeBencode(value)).toString('latin1');

describe('bencode decoder', () => {
  test('reads every kind of value', () => {
    assert.equal(decode('i0e'), 0);
    assert.equal(decode('i-42e'), -42);
    assert.deepEqual(decode('3:a\0b'), new Uint8Array([97, 0, 98]));
    assert.deepEqual(decode('0:'), new Uint8Array(0));
    assert.deepEqual(decode('li1eled1:ai2eee'), [1, [], new Map([['a', 2]])]);
    assert.deepEqual(decode('de'), new Map());
  });

  test('keeps integers exact, as bigints where a number cannot be', () => {
    assert.equal(decode('i9007199254740991e'), Number.MAX_SAFE_INTEGER);
    assert.equal(decode('i9007199254740993e'), 9007199254740993n);
    assert.equal(decode('i-9223372036854775808e'), -(2n ** 63n));
    assert.equal(decode('i18446744073709551615e'), 2n ** 64n - 1n);
  });

  test('gives strings as views into the input, not copies', () => {
    const input = bytes('l3:abce');
    const [view] = decodeBencode(input) as Uint8Array[];
    input[3] = 0x7a;
    assert.deepEqual(view, new Uint8Array([0x7a, 0x62, 0x63]));
  });

  test('reads unsorted keys, which real torrents have', () => {
    assert.deepEqual(
      decode('d1:bi1e1:ai2ee'),
      new Map([
        ['b', 1],
        ['a', 2],
      ]),
    );
  });

  test('keeps keys byte for byte, and none of them reaches a prototype', () => {
    const dict = decode('d9:__proto__i1e8:toStringi2e2:\xff\x80i3ee') as Map<string, BencodeValue>;
    assert.deepEqual(
      [...dict],
      [
        ['__proto__', 1],
        ['toString', 2],
        ['\xff\x80', 3],
      ],
    );
    assert.equal(Object.getPrototypeOf(dict), Map.prototype);
  });

  const refused: readonly (readonly [input: string, reason: string])[] = [
    ['', 'cut short'],
    ['d-3:', 'digit expected'],
    ['d-1:', 'digit expected'],
    ['l-3:', 'digit expected'],
    ['-1:', 'digit expected'],
    ['99999999999999999999:a', 'length too long'],
    ['10:abc', 'string beyond the end'],
    ['4294967296:abc', 'string beyond the end'],
    ['03:abc', 'leading zero'],
    ['3abc', '":" expected'],
    ['3', 'cut short'],
    ['i-0e', 'negative zero'],
    ['i007e', 'leading zero'],
    ['i-007e', 'leading zero'],
    ['i1.5e', '"e" expected'],
    ['i+5e', 'digit expected'],
    ['ie', 'digit expected'],
    ['i-e', 'digit expected'],
    ['i 1e', 'digit expected'],
    ['i1', 'cut short'],
    [`i${'9'.repeat(400)}e`, 'integer too long'],
    ['e', 'digit expected'],
    ['x', 'digit expected'],
    ['l', 'cut short'],
    ['d1:a', 'cut short'],
    ['d1:ae', 'a key without a value'],
    ['di1ei2ee', 'digit expected'],
    ['d1:ai1e1:ai2ee', 'duplicate key'],
    ['i1ei2e', 'bytes after the end'],
    ['le\n', 'bytes after the end'],
    [`d5000:${'k'.repeat(5000)}i1ee`, 'key too long'],
  ];
  for (const [input, reason] of refused) {
    test(`refuses ${JSON.stringify(input.slice(0, 30))}: ${reason}`, () => {
      assert.throws(
        () => decode(input),
        (thrown) => thrown instanceof BencodeError && thrown.reason === reason,
      );
    });
  }

  test('refuses nesting beyond the limit without recursion', () => {
    assert.throws(() => decode('l'.repeat(1_000_000)), { reason: 'nested too deep', offset: 64 });
    assert.throws(() => decode('d1:a'.repeat(250_000)), { reason: 'nested too deep' });
    const nested = (depth: number): string => 'l'.repeat(depth) + 'e'.repeat(depth);
    assert.doesNotThrow(() => decodeBencode(bytes(nested(3)), { maxDepth: 3 }));
    assert.throws(() => decodeBencode(bytes(nested(4)), { maxDepth: 3 }), { reason: 'nested too deep' });
  });

  test('refuses more tokens than the limit, containers and their ends counted', () => {
    assert.doesNotThrow(() => decodeBencode(bytes('l0:0:0:e'), { maxTokens: 5 }));
    assert.throws(() => decodeBencode(bytes('l0:0:0:e'), { maxTokens: 4 }), { reason: 'too many tokens' });
    assert.throws(() => decode(`l${'0:'.repeat(1_100_000)}e`), { reason: 'too many tokens' });
  });

  test('decodes a prefix and tells where the payload begins', () => {
    assert.deepEqual(decodeBencodePrefix(bytes('d1:ai1eePAYLOAD')), { value: new Map([['a', 1]]), end: 8 });
  });

  test('tells the raw span of a key of the outermost dictionary only', () => {
    const input = 'd1:ad4:infoi1ee4:infod1:bi1e1:ai2ee1:zlee';
    const { span } = decodeBencodeWithSpan(bytes(input), 'info');
    assert.ok(span);
    assert.equal(input.slice(span.start, span.end), 'd1:bi1e1:ai2ee');
    assert.equal(decodeBencodeWithSpan(bytes('d1:ad4:infoi1eee'), 'info').span, undefined);
    assert.equal(decodeBencodeWithSpan(bytes('ld4:infoi1eee'), 'info').span, undefined);
  });

  test('decodes views that do not start at the start of their memory', () => {
    const memory = bytes('xxxd1:a3:xyzexxx');
    const value = decodeBencode(memory.subarray(3, 13)) as Map<string, BencodeValue>;
    assert.deepEqual(value.get('a'), new Uint8Array([0x78, 0x79, 0x7a]));
  });

  test('gives a value or a BencodeError for any bytes', () => {
    const token = fc.constantFrom('i', 'l', 'd', 'e', ':', '-', '0', '1', '2', '9', 'a', '\xff');
    const soup = fc.array(token, { maxLength: 60 }).map((parts) => bytes(parts.join('')));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), soup), (input) => {
        try {
          decodeBencode(input);
        } catch (thrown) {
          if (!(thrown instanceof BencodeError)) throw thrown;
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test('accepts nothing that encoding again would not give back, but for the order of keys', () => {
    const token = fc.constantFrom(
      'i1e',
      'i-7e',
      'l',
      'd',
      'e',
      '1:a',
      '1:b',
      '0:',
      'i0e',
      'i00e',
      'i-0e',
      '01:a',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (parts) => {
        const input = parts.join('');
        let value: BencodeValue;
        try {
          value = decode(input);
        } catch {
          return;
        }
        assert.equal([...encode(value)].sort().join(''), [...input].sort().join(''));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('bencode encoder', () => {
  test('writes canonical bencode: keys in byte order, text as UTF-8', () => {
    assert.equal(encode({ b: 1, a: ['é', new Uint8Array([255])] }), 'd1:al2:\xc3\xa91:\xffe1:bi1ee');
  });

  test('sorts the keys of a Map by their bytes and writes them unchanged', () => {
    const dict = new Map([
      ['\xff', 1],
      ['a', 2],
      ['\x80\n', 3],
      ['Z', 4],
    ]);
    assert.equal(encode(dict), 'd1:Zi4e1:ai2e2:\x80\ni3e1:\xffi1ee');
  });

  test('sorts the keys of an object by their UTF-8 bytes, not by UTF-16', () => {
    assert.equal(encode({ '\u{1f600}': 1, '\uff5e': 2 }), 'd3:\xef\xbd\x9ei2e4:\xf0\x9f\x98\x80i1ee');
  });

  test('leaves out what is undefined', () => {
    assert.equal(encode({ a: undefined, b: 1 }), 'd1:bi1ee');
  });

  test('refuses numbers that would be written as others', () => {
    for (const value of [1.5, Number.NaN, 2 ** 53, 2n ** 53n]) assert.throws(() => encode(value), TypeError);
    assert.equal(encode(-(2n ** 53n) + 1n), 'i-9007199254740991e');
  });

  test('round-trips every value', () => {
    const { value } = fc.letrec<{ value: BencodeValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.maxSafeInteger().map((n) => n + 0),
        fc.uint8Array({ maxLength: 30 }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc
          .array(
            fc.tuple(
              fc.uint8Array({ maxLength: 6 }).map((key) => Buffer.from(key).toString('latin1')),
              tie('value'),
            ),
            {
              maxLength: 5,
            },
          )
          .map((entries) => new Map(entries)),
      ),
    }));
    fc.assert(
      fc.property(value, (original) => {
        const once = encodeBencode(original);
        assert.deepEqual(decodeBencode(once), original);
        assert.deepEqual(encodeBencode(decodeBencode(once)), once);
      }),
      { numRuns: 1_000 },
    );
  });
});
