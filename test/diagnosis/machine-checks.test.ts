import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkAddresses,
  checkClock,
  checkOpenFiles,
  ownAddresses,
} from '../../engine/diagnosis/machine-checks.js';

const limits = (soft: string) =>
  `Limit  Soft Limit\nMax open files            ${soft}                1048576  files\n`;

test('few open files are told of, too few are bad', async () => {
  const verdict = async (text: string) => (await checkOpenFiles(text)).verdict;
  assert.equal(await verdict(limits('unlimited')), 'good');
  assert.equal(await verdict(limits('1024')), 'good');
  assert.equal(await verdict(limits('512')), 'warning');
  assert.equal(await verdict(limits('64')), 'bad');
  assert.equal(await verdict('nothing of the kind'), 'good');
});

test('a clock from before the program is bad, one that jumps is told of', async () => {
  const now = { wallMs: Date.now() + 10_000, steadyMs: 10_000 };
  const verdict = async (begunAt: typeof now, at: typeof now) => (await checkClock(begunAt, at, [0])).verdict;
  assert.equal(await verdict({ wallMs: now.wallMs - 5_000, steadyMs: 5_000 }, now), 'good');
  assert.equal(await verdict({ wallMs: now.wallMs - 90_000, steadyMs: 5_000 }, now), 'warning');
  assert.equal(await verdict({ wallMs: 0, steadyMs: 10_000 }, { wallMs: 0, steadyMs: 10_000 }), 'bad');
});

test('a clock is good only by the clock of somebody else', async () => {
  const now = { wallMs: Date.now() + 10_000, steadyMs: 10_000 };
  const by = async (...offsetsMs: number[]) => checkClock(now, now, offsetsMs);
  const { verdict, text, advice } = await by();
  assert.equal(verdict, 'skipped');
  assert.match(text, /with our own files only/);
  assert.match(advice ?? '', /--tracker/);
  assert.equal((await by(-2_000)).verdict, 'good');
  assert.equal((await by(3_600_000, 1_000)).verdict, 'good');
  const late = await by(3_600_000, 7_200_000);
  assert.equal(late.verdict, 'warning');
  assert.ok(late.text.includes(new Date(now.wallMs + 3_600_000).toISOString()), late.text);
});

test('a machine with loopback and link-local addresses alone is on no network', () => {
  const info = (address: string, internal = false) => ({
    address,
    internal,
    netmask: '',
    mac: '',
    cidr: null,
  });
  const addresses = ownAddresses({
    lo: [{ ...info('127.0.0.1', true), family: 'IPv4' }],
    eth0: [{ ...info('fe80::1'), family: 'IPv6', scopeid: 2 }],
    ghost: undefined,
  });
  assert.deepEqual(addresses, [{ device: 'eth0', host: 'fe80::1', kind: 'link' }]);
  assert.equal(checkAddresses(addresses).verdict, 'bad');
  assert.equal(checkAddresses([{ device: 'eth0', host: '10.0.0.1', kind: 'private' }]).verdict, 'good');
});
