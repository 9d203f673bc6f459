/** What is read from the network by the port mapper: packets, XML, the routing table. */
import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { Epoch } from '../../../engine/reach/mapping/epoch.js';
import * as natPmp from '../../../engine/reach/mapping/nat-pmp-packets.js';
import * as pcp from '../../../engine/reach/mapping/pcp-packets.js';
import { defaultRoute, likelyRoute } from '../../../engine/reach/mapping/route.js';
import { forwardingService, soapAnswer, soapRequest } from '../../../engine/reach/mapping/upnp-documents.js';
import { escapeXml, visitXml } from '../../../engine/reach/mapping/xml-fields.js';
import { asMillis } from '../../../engine/units.js';

const NONCE = Uint8Array.from({ length: 12 }, (_, i) => i);
const WISH = { transport: 'tcp', internalPort: 6881, externalPort: 6882, lifetimeSeconds: 7200 } as const;
const PCP_WISH = { ...WISH, localHost: '192.168.0.2', nonce: NONCE };

test('NAT-PMP requests are laid out as RFC 6886 draws them', () => {
  assert.equal(natPmp.formatAddressRequest().toString('hex'), '0000');
  assert.equal(natPmp.formatMapRequest(WISH).toString('hex'), '000200001ae11ae200001c20');
  assert.equal(natPmp.formatMapRequest({ ...WISH, transport: 'udp' })[1], 1);
});

test('PCP requests are laid out as RFC 6887 draws them', () => {
  const mapped = '00000000000000000000ffff';
  assert.equal(pcp.formatAnnounce('192.168.0.2').toString('hex'), `0200000000000000${mapped}c0a80002`);
  assert.equal(
    pcp.formatMap(PCP_WISH).toString('hex'),
    `0201000000001c20${mapped}c0a80002000102030405060708090a0b060000001ae11ae2${mapped}00000000`,
  );
});

test('NAT-PMP answers are read, and only answers to what was asked', () => {
  const address = Buffer.from('00800000000003e801020304', 'hex');
  assert.deepEqual(natPmp.parseAddressAnswer(address), {
    result: 0,
    epochSeconds: 1000,
    externalHost: '1.2.3.4',
  });
  const map = Buffer.from('00820000000003e81ae11ae200000e10', 'hex');
  assert.deepEqual(natPmp.parseMapAnswer(map, 'tcp'), {
    ...{ result: 0, epochSeconds: 1000, internalPort: 6881, externalPort: 6882 },
    lifetimeSeconds: 3600,
  });
  assert.equal(natPmp.parseMapAnswer(map, 'udp'), undefined);
  assert.equal(natPmp.parseAddressAnswer(map), undefined);
  assert.equal(natPmp.parseMapAnswer(map.subarray(0, 15), 'tcp'), undefined);
});

test('a PCP answer with another nonce, protocol or port is nobody of ours', () => {
  const answer = pcp.formatMap(PCP_WISH);
  answer[1] = 0x81;
  answer.set([0, 0, 3, 232], 8);
  answer.set([0xff, 0xff, 9, 8, 7, 6], 54);
  assert.deepEqual(pcp.parseMap(answer, PCP_WISH), {
    ...{ result: 0, lifetimeSeconds: 7200, epochSeconds: 1000, externalPort: 6882 },
    externalHost: '9.8.7.6',
  });
  assert.equal(pcp.parseMap(answer, { ...PCP_WISH, nonce: new Uint8Array(12) }), undefined);
  assert.equal(pcp.parseMap(answer, { ...PCP_WISH, transport: 'udp' }), undefined);
  assert.equal(pcp.parseMap(answer, { ...PCP_WISH, internalPort: 1 }), undefined);
  assert.equal(pcp.parseMap(Buffer.concat([answer, Buffer.alloc(1_100)]), PCP_WISH), undefined);
});

test('no bytes make a parser throw', () => {
  const bytes = fc.uint8Array({ maxLength: 1_200 }).map((array) => Buffer.from(array));
  const headed = fc
    .tuple(fc.constantFrom([0, 128], [0, 129], [0, 130], [2, 0x80], [2, 0x81]), bytes)
    .map(([head, rest]) => Buffer.concat([Buffer.from(head), rest]));
  fc.assert(
    fc.property(fc.oneof(bytes, headed), (packet) => {
      natPmp.parseAddressAnswer(packet);
      natPmp.parseMapAnswer(packet, 'tcp');
      natPmp.speaksOtherVersion(packet);
      pcp.parseAnnounce(packet);
      pcp.parseMap(packet, PCP_WISH);
      pcp.speaksOtherVersion(packet);
    }),
  );
});

test('a gateway whose clock runs as ours has not restarted, one whose clock jumps has', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 31),
      fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 20 }),
      fc.double({ min: 0.95, max: 1.05, noNaN: true }),
      (start, pausesSeconds, pace) => {
        const epoch = new Epoch();
        let passed = 0;
        assert.equal(epoch.restarted(start, asMillis(0)), false);
        for (const pause of pausesSeconds) {
          passed += pause;
          assert.equal(epoch.restarted(Math.floor(start + passed * pace), asMillis(passed * 1000)), false);
        }
        assert.equal(epoch.restarted(start + passed * 2 + 1_000, asMillis(passed * 1000)), true);
        assert.equal(epoch.restarted(0, asMillis((passed + 500) * 1000)), true);
      },
    ),
  );
});

test('XML comes out of escaping and reading as it went in', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      const read: string[] = [];
      const whole = visitXml(`<a:b x="1"><c>${escapeXml(text)}</c></a:b>`, {
        onText: (name, value) => read.push(name, value),
      });
      assert.equal(whole, true);
      assert.deepEqual(read, ['c', text.trim()]);
    }),
  );
});

test('no document makes the reader throw or hang', () => {
  const visitor = { onOpen: () => {}, onText: () => {}, onClose: () => {} };
  const size = 256 * 1024;
  for (const part of ['<', '<a ', '<a>', '</a>', '<!--', '<!-->', '<a', '>', '&amp;', '<?', '<a/>', '<a><b>'])
    visitXml(part.repeat(size / part.length), visitor);
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('<', '>', '/', '!', '--', 'service', ' ', ':', '&lt;', '?', 'a'), {
        maxLength: 60,
      }),
      (parts) => {
        visitXml(parts.join(''), visitor);
        for (const read of [
          () => forwardingService(parts.join(''), new URL('http://10.0.0.1/')),
          () => soapAnswer(parts.join(''), 'a', 200),
        ])
          assert.throws(read, { code: 'ADDRESS_NOT_MAPPED' });
      },
    ),
  );
});

test('arguments cannot break out of a SOAP request', () => {
  const request = soapRequest('urn:x', 'Act', [
    ['NewA', '"><evil/>&'],
    ['NewB', undefined],
  ]);
  assert.ok(request.includes('<NewA>&quot;&gt;&lt;evil/&gt;&amp;</NewA><NewB></NewB>'));
});

test('the better of two services is used, wherever its address is relative to', () => {
  const service = (type: string, url: string) =>
    `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${url}</controlURL></service>`;
  const description = `<root>${service('WANPPPConnection:1', '/ppp')}${service('WANIPConnection:1', 'ctl/IPConn')}</root>`;
  const found = forwardingService(description, new URL('http://10.0.0.1:5000/dir/desc.xml'));
  assert.equal(found.controlUrl.href, 'http://10.0.0.1:5000/dir/ctl/IPConn');
  assert.equal(found.type, 'urn:schemas-upnp-org:service:WANIPConnection:1');
});

const INTERFACES = {
  lo: [{ address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', internal: true }],
  eth0: [
    { address: 'fe80::1', netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6', internal: false, scopeid: 2 },
    { address: '10.9.9.9', netmask: '255.255.255.0', family: 'IPv4', internal: false },
    { address: '192.168.1.5', netmask: '255.255.255.0', family: 'IPv4', internal: false },
  ],
} as unknown as Parameters<typeof defaultRoute>[1];
const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';

test('the default route with the least metric is found, and our address on its network', {
  skip: endianness() !== 'LE',
}, () => {
  const rows = [
    'eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
    'wlan0\t00000000\t01006464\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
  ];
  assert.deepEqual(defaultRoute(HEAD + rows.join('\n'), INTERFACES), {
    gateway: '192.168.1.1',
    localHost: '192.168.1.5',
  });
});

test('without a gateway there is no route, whatever the table holds', () => {
  for (const table of [
    '',
    HEAD,
    'x',
    `${HEAD}eth0\t00000000\tZZZZZZZZ\t0003\t0\t0\t0\t00000000`,
    `${HEAD}tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000`,
  ])
    assert.equal(defaultRoute(table, INTERFACES), undefined);
  assert.deepEqual(likelyRoute(INTERFACES), { gateway: null, localHost: '10.9.9.9' });
});
