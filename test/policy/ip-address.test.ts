import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipBytes, ipText } from '../../engine/discovery/compact-peers.js';
import { addressKind, hostBytes, meansSomethingTo } from '../../engine/policy/ip-address.js';

test('reads every way to write an address as the system does', () => {
  const hosts = [
    '1.2.3.4',
    '::',
    '::1',
    '1::',
    'fe80::1',
    '2001:db8::1:2',
    '::ffff:1.2.3.4',
    '64:ff9b::1.2.3.4',
  ];
  for (const host of [...hosts, '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8'])
    assert.deepEqual(hostBytes(host), ipBytes(host), host);
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (host) => {
      assert.deepEqual([...(hostBytes(host) ?? [])], [...(ipBytes(host) ?? [])], host);
    }),
  );
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
