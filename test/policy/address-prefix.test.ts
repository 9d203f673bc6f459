import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressPrefix, isLoopback } from '../../engine/policy/address-prefix.js';

describe('addressPrefix', () => {
  it('is the /24 of an IPv4 address, mapped or not', () => {
    assert.equal(addressPrefix('192.0.2.7'), addressPrefix('192.0.2.250'));
    assert.notEqual(addressPrefix('192.0.2.7'), addressPrefix('192.0.20.7'));
    assert.equal(addressPrefix('::ffff:192.0.2.7'), addressPrefix('192.0.2.9'));
    assert.equal(addressPrefix('0:0:0:0:0:FFFF:192.0.2.7'), addressPrefix('192.0.2.9'));
  });

  it('is the /64 of an IPv6 address, however it is written', () => {
    const same = [
      '2001:db8::1',
      '2001:0db8:0:0::2',
      '2001:DB8:0:0:1:2:3:4',
      '2001:db8::1.2.3.4',
      '2001:db8::%eth0',
    ];
    for (const host of same) assert.equal(addressPrefix(host), addressPrefix('2001:db8::'), host);
    const others = ['2001:db8:0:1::', '2001:db9::', '::1', 'fe80::1:2:3:4', '192.0.2.1'];
    assert.equal(new Set([same[0] ?? '', ...others].map(addressPrefix)).size, others.length + 1);
  });

  it('is the text itself where that is no address', () => {
    assert.equal(addressPrefix('nonsense'), 'nonsense');
    assert.equal(addressPrefix(''), '');
  });
});

describe('isLoopback', () => {
  it('knows this machine', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
      assert.equal(isLoopback(host), true, host);
    for (const host of ['128.0.0.1', '::2', '1::1', '10.127.0.1'])
      assert.equal(isLoopback(host), false, host);
  });
});
