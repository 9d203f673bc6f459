import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  parseDuration,
  parseListen,
  parseRate,
  parseSize,
  parseUrl,
  parseWhole,
} from '../../cli/units-text.js';
import { count } from '../../cli/words.js';
import { formatBytes } from '../../tui/format.js';

test('sizes and rates: K is 1,024, a bare number is bytes', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['1000', 1000],
    ['256K', 262_144],
    ['256k', 262_144],
    ['16KiB', 16_384],
    ['1.5M', 1_572_864],
    ['2MB', 2_097_152],
    ['4G', 4 * 2 ** 30],
    ['1T', 2 ** 40],
    ['17B', 17],
  ] as const) {
    assert.equal(parseSize(text), bytes, text);
    assert.equal(parseRate(`${text}/s`), bytes, text);
  }
});

test('what is no size, rate, duration, address or number is refused, and quoted', () => {
  for (const text of [
    '',
    'K',
    '-1',
    '1e3',
    '5X',
    '1..5M',
    ' 1',
    '1K2',
    '0x10',
    '99999999999999999',
    '9999999T',
    'NaN',
  ]) {
    assert.throws(() => parseSize(text), { message: `expected a size such as 256K or 4M, got "${text}"` });
    assert.throws(() => parseRate(text), /expected a rate/);
  }
  for (const text of ['', 's', '-5s', '5x', '1.5h', '5 s', '5s5', 'h1'])
    assert.throws(() => parseDuration(text), /expected a duration/, text);
  for (const text of [
    '',
    ':',
    '65536',
    '-1',
    'host:1',
    '1.2.3.4',
    '::1:80:',
    '[::1]',
    '[x]:1',
    '1.2.3.4:',
    '80x',
  ])
    assert.throws(() => parseListen(text), /expected PORT/, text);
  for (const text of ['', '0', '11', '-1', '1.5', '5x', 'Infinity'])
    assert.throws(() => parseWhole(text, 1, 10), /from 1 to 10/, text);
  for (const text of ['', 'http', 'a.example/announce', 'file:///etc/passwd', 'javascript:1', 'ftp://x/'])
    assert.throws(() => parseUrl(text, ['http', 'udp']), /begins with http:\/\/, udp:\/\//, text);
});

test('durations add up, a bare number is seconds', () => {
  for (const [text, ms] of [
    ['0', 0],
    ['30', 30_000],
    ['30s', 30_000],
    ['250ms', 250],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
  ] as const)
    assert.equal(parseDuration(text), ms, text);
});

test('an address to listen on is a port with or without a host', () => {
  assert.deepEqual(parseListen('6881'), { port: 6881 });
  assert.deepEqual(parseListen(':6881'), { port: 6881 });
  assert.deepEqual(parseListen('127.0.0.1:0'), { host: '127.0.0.1', port: 0 });
  assert.deepEqual(parseListen('[::1]:80'), { host: '::1', port: 80 });
});

test('what formatBytes shows reads back as about the same size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 49 }), (bytes) => {
      const back = parseSize(formatBytes(bytes).replace(' ', ''));
      assert.ok(Math.abs(back - bytes) <= bytes * 0.006, `${bytes} ${formatBytes(bytes)} ${back}`);
    }),
  );
});

test('counts have a comma for each thousand', () => {
  const numbers = [0, 999, 1_000, 12_345, 999_999, 1_000_000, 1_234_567_890];
  const texts = ['0', '999', '1,000', '12,345', '999,999', '1,000,000', '1,234,567,890'];
  assert.deepEqual(numbers.map(count), texts);
});
