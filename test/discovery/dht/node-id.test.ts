import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { mayName, networkOf } from '../../../engine/discovery/dht/node-address.js';
import {
  compareDistance,
  distanceShare,
  randomIdBeside,
  sharedBits,
} from '../../../engine/discovery/dht/node-id.js';
import { crc32c, isSecureId, makeSecureId } from '../../../engine/discovery/dht/secure-id.js';

const id = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.padEnd(40, '0'), 'hex'));
const anyId = fc.uint8Array({ minLength: 20, maxLength: 20 });

describe('node ids', () => {
  test('the closer of two has the smaller exclusive-or with the target', () => {
    const target = id('f0');
    assert.ok(compareDistance(target, id('f1'), id('e0')) < 0);
    assert.ok(compareDistance(target, id('70'), id('f000000000000000000000000000000000000001')) > 0);
    assert.equal(compareDistance(target, id('11'), id('11')), 0);
  });

  test('shared bits are counted from the front', () => {
    assert.equal(sharedBits(id('80'), id('00')), 0);
    assert.equal(sharedBits(id('01'), id('00')), 7);
    assert.equal(sharedBits(id('0001'), id('00')), 15);
    assert.equal(sharedBits(id('0001'), id('0001')), 160);
  });

  test('an id made beside another shares exactly so many bits with it', () => {
    fc.assert(
      fc.property(anyId, fc.integer({ min: 0, max: 159 }), (own, bits) => {
        assert.equal(sharedBits(own, randomIdBeside(own, bits, randomBytes)), bits);
      }),
    );
  });

  test('distances as shares of the space are ordered as distances are', () => {
    fc.assert(
      fc.property(anyId, anyId, anyId, (target, a, b) => {
        const [near, far] = [distanceShare(target, a), distanceShare(target, b)];
        if (near < far) assert.ok(compareDistance(target, a, b) < 0);
        if (near > far) assert.ok(compareDistance(target, a, b) > 0);
      }),
    );
  });
});

describe('ids that follow from addresses (BEP 42)', () => {
  test('CRC-32C of the check string is the one of its definition', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  });

  // BEP 42's table: address, last byte of the id, and its first 21 bits.
  for (const [host, last, start] of [
    ['124.31.75.21', 1, '5fbfbf'],
    ['21.75.31.124', 86, '5a3ce9'],
    ['65.23.51.170', 22, 'a5d432'],
    ['84.124.73.14', 65, '1b0321'],
    ['43.213.53.83', 90, 'e56f6c'],
  ] as const) {
    test(`${host} may have the id of BEP 42's table, and not its neighbour`, () => {
      const good = id(start);
      good[19] = last;
      assert.equal(isSecureId(good, host), true);
      const flipped = Uint8Array.from(good);
      flipped[2] = (flipped[2] ?? 0) ^ 0x08;
      assert.equal(isSecureId(flipped, host), false);
      const lowBits = Uint8Array.from(good);
      lowBits[2] = (lowBits[2] ?? 0) ^ 0x07;
      assert.equal(isSecureId(lowBits, host), true, 'the 22nd bit and those after are free');
    });
  }

  test('an id made for an address is accepted for it, of both families', () => {
    assert.equal(isSecureId(makeSecureId(Uint8Array.from([8, 8, 4, 4]), randomBytes), '8.8.4.4'), true);
    const six = Uint8Array.from([0x2a, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 1]);
    const made = makeSecureId(six, randomBytes);
    assert.equal(isSecureId(made, '2a00:102:304:506::1'), true);
    assert.equal(isSecureId(made, '2a00:102:304:506::ffff'), true, 'the lower 64 bits do not count');
    assert.equal(isSecureId(made, '2a00:102:304:507::1'), false);
  });

  test('local networks are exempt', () => {
    for (const host of ['127.0.0.1', '10.1.2.3', '192.168.1.1', '::1'])
      assert.equal(isSecureId(id('00'), host), true);
  });
});

describe('addresses of nodes', () => {
  test('no node is at an address that nobody can have', () => {
    for (const host of [
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '169.254.1.1',
      'ff02::1',
      '::',
      'a.name',
      'fe80::1%eth0',
    ])
      assert.equal(networkOf(host), undefined, host);
  });

  test('a public node may name public ones, a local one local ones too', () => {
    const [outside, inside] = [networkOf('8.8.8.8'), networkOf('192.168.1.2')];
    assert.ok(outside && inside);
    assert.equal(mayName(outside, { host: '9.9.9.9', port: 6881 }), true);
    assert.equal(mayName(outside, { host: '192.168.1.3', port: 6881 }), false);
    assert.equal(mayName(outside, { host: '127.0.0.1', port: 6881 }), false);
    assert.equal(mayName(inside, { host: '192.168.1.3', port: 6881 }), true);
    assert.equal(mayName(outside, { host: '9.9.9.9', port: 53 }), false, 'a name server is no node');
  });

  test('a network is a /24 or a /48', () => {
    assert.equal(networkOf('8.8.8.1')?.key, networkOf('8.8.8.250')?.key);
    assert.notEqual(networkOf('8.8.8.1')?.key, networkOf('8.8.9.1')?.key);
    assert.equal(networkOf('2a00:1:2:3::1')?.key, networkOf('2a00:1:2:ffff::9')?.key);
    assert.notEqual(networkOf('2a00:1:2:3::1')?.key, networkOf('2a00:1:3:3::1')?.key);
  });
});
