import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  parseCompactPeers4,
  parseCompactPeers6,
  parseDictPeers,
} from '../../engine/discovery/compact-peers.js';
import type { BencodeValue } from '../../engine/metainfo/bencode.js';
import { ipBytes } from '../../engine/policy/ip-address.js';

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');
const dict = (fields: Record<string, BencodeValue>): BencodeValue => new Map(Object.entries(fields));

describe('compact peers', () => {
  it('reads every address and port as it was written, IPv4 and IPv6', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const address = (length: number, maxFirst: number) =>
      fc
        .tuple(
          fc.integer({ min: 1, max: maxFirst }),
          fc.uint8Array({ minLength: length - 1, maxLength: length - 1 }),
        )
        .map(([first, rest]) => [first, ...rest]);
    const compact = (bytes: readonly number[], at: number) => Uint8Array.from([...bytes, at >>> 8, at & 255]);
    fc.assert(
      fc.property(address(4, 223), port, (bytes, at) => {
        assert.deepEqual(parseCompactPeers4(compact(bytes, at)), [{ host: bytes.join('.'), port: at }]);
      }),
    );
    fc.assert(
      fc.property(address(16, 254), port, (bytes, at) => {
        const [peer] = parseCompactPeers6(compact(bytes, at));
        assert.deepEqual([...(ipBytes(peer?.host ?? '') ?? [])], bytes);
        assert.equal(peer?.port, at);
      }),
    );
  });

  it('turns IPv4 inside IPv6 into IPv4', () => {
    const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3, 0x1a, 0xe1]);
    assert.deepEqual(parseCompactPeers6(mapped), [{ host: '10.1.2.3', port: 6881 }]);
  });

  it('takes no names, zones, short, octal, hex or decimal forms for an address', () => {
    for (const host of [
      'localhost',
      'fe80::1%eth0',
      '127.1',
      '0177.0.0.1',
      '0x7f.0.0.1',
      '2130706433',
      '',
      '1.2.3.4 ',
    ])
      assert.equal(ipBytes(host), undefined, host);
  });

  it('drops port 0, unspecified, this-network and multicast addresses, and a short tail', () => {
    const entry = (host: number[], port: number): number[] => [...host, port >>> 8, port & 255];
    const bytes = Uint8Array.from([
      ...entry([1, 2, 3, 4], 0),
      ...entry([0, 0, 0, 0], 80),
      ...entry([224, 0, 0, 1], 80),
      ...entry([255, 255, 255, 255], 80),
      ...entry([5, 6, 7, 8], 80),
      ...[9, 9, 9, 9, 9],
    ]);
    assert.deepEqual(parseCompactPeers4(bytes), [{ host: '5.6.7.8', port: 80 }]);
    const multicast = Uint8Array.from([0xff, 2, ...new Array<number>(13).fill(0), 1, 0, 80]);
    assert.deepEqual(parseCompactPeers6(multicast), []);
    assert.deepEqual(parseCompactPeers6(Uint8Array.from([...new Array<number>(16).fill(0), 0, 80])), []);
  });

  it('stops at the limit', () => {
    const bytes = new Uint8Array(6 * 1_000_000).fill(1);
    assert.equal(parseCompactPeers4(bytes, 200).length, 200);
  });

  it('reads dictionaries and drops entries with a name, a bad port or another shape', () => {
    const list: BencodeValue[] = [
      dict({ ip: text('1.2.3.4'), port: 6881, 'peer id': text('x'.repeat(20)) }),
      dict({ ip: text('2001:DB8::0001'), port: 1 }),
      dict({ ip: text('peer.example'), port: 1 }),
      dict({ ip: text('1.2.3.4'), port: 0 }),
      dict({ ip: text('1.2.3.4'), port: 65_536 }),
      dict({ ip: text('1.2.3.4'), port: -1 }),
      dict({ ip: text('1.2.3.4'), port: 2n ** 70n }),
      dict({ ip: 5, port: 5 }),
      dict({ port: 5 }),
      5,
      text('1.2.3.4'),
      [],
    ];
    assert.deepEqual(parseDictPeers(list), [
      { host: '1.2.3.4', port: 6881 },
      { host: '2001:db8::1', port: 1 },
    ]);
  });
});
