import assert from 'node:assert/strict';
import { isIP, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressKind,
  canonicalHost,
  hostBytes,
  hostKey,
  ipBytes,
  ipText,
  meansSomethingTo,
} from '../../engine/policy/ip-address.js';

test('takes for an address what the system does, zones left aside', () => {
  const piece = fc.oneof(
    fc.constantFrom(':', '::', '.', '0', '00', '01', '255', '256', 'f', 'ffff', 'g', '1'),
    fc.nat(300),
  );
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(piece, { maxLength: 18, size: 'max' }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, (host) => {
      const bytes = ipBytes(host);
      assert.equal(bytes === undefined ? 0 : host.includes(':') ? 6 : 4, isIP(host), host);
    }),
    { numRuns: 2_000 },
  );
});

test('has one text for each IPv6 address, the one the system uses', () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 65_535 }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      fc.pre(groups.slice(0, 5).some((value) => value !== 0)); // the system writes ::1.2.3.4 dotted
      const long = groups.map((value) => value.toString(16).padStart(4, '0')).join(':');
      const canonical = canonicalHost(long);
      assert.equal(canonical, new SocketAddress({ address: long, family: 'ipv6' }).address);
      assert.deepEqual(ipBytes(canonical ?? ''), ipBytes(long));
    }),
  );
});

test('reads IPv4 inside IPv6 as IPv4, in every notation', () => {
  for (const host of ['::ffff:127.0.0.1', '::FFFF:7f00:1', '0:0:0:0:0:ffff:7f00:0001'])
    assert.equal(canonicalHost(host), '127.0.0.1');
});

test('keeps limits for an IPv4 address, or for all that one IPv6 host has', () => {
  assert.equal(hostKey('192.0.2.7'), '192.0.2.7');
  assert.equal(hostKey('::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(hostKey('2001:db8::1'), hostKey('2001:db8::ffff:1'));
  assert.notEqual(hostKey('2001:db8::1'), hostKey('2001:db8:0:1::1'));
});

test('reads no name, and nothing that is cut or too long', () => {
  for (const text of [
    '',
    'host',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    'g::',
  ])
    assert.equal(hostBytes(text), undefined, text);
  for (const text of ['1:2:3:4:5:6:7:8:9', '12345::', '::1.2.3', '1.2.3.4::', '1:2:3:4:5:6:7:8::'])
    assert.equal(hostBytes(text), undefined, text);
  fc.assert(
    fc.property(fc.string(), (text) => {
      const bytes = hostBytes(text);
      assert.ok(bytes === undefined || bytes.length === 4 || bytes.length === 16);
    }),
  );
});

test('leaves the zone of an address out', () => {
  assert.equal(ipText(hostBytes('fe80::1%eth0') ?? new Uint8Array(4)), 'fe80::1');
});

test('knows from where an address can be reached', () => {
  const kinds = {
    loopback: ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'],
    link: ['169.254.1.1', 'fe80::1', 'febf::1%eth0'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.1', '192.168.1.1', '198.19.0.1', 'fd00::1'],
    shared: ['100.64.0.1', '100.127.0.1'],
    public: [
      '8.8.8.8',
      '172.32.0.1',
      '192.169.0.1',
      '100.128.0.1',
      '198.20.0.1',
      '2001:4860::1',
      '::ffff:8.8.8.8',
    ],
    none: [
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '192.0.2.1',
      '203.0.113.9',
      '::',
      '::2',
      'fec0::1',
      'ff02::1',
      '2001::1',
      '2001:db8::1',
      'host',
      '',
    ],
  };
  for (const [kind, hosts] of Object.entries(kinds))
    for (const host of hosts) assert.equal(addressKind(host), kind, host);
});

test('tells nobody of addresses that mean nothing to him, or another host', () => {
  const told = (to: string, about: string): boolean => meansSomethingTo(to, about);
  assert.ok(told('8.8.8.8', '9.9.9.9') && told('192.168.1.1', '9.9.9.9') && told('127.0.0.1', '192.168.1.1'));
  assert.ok(told('127.0.0.1', '127.0.0.2') && told('10.0.0.1', '10.0.0.2') && told('fd00::1', '10.0.0.2'));
  assert.ok(
    !told('8.8.8.8', '192.168.1.1') && !told('8.8.8.8', '127.0.0.1') && !told('10.0.0.1', '127.0.0.1'),
  );
  assert.ok(!told('10.0.0.1', '169.254.1.1') && !told('fe80::1', 'fe80::2'));
});
