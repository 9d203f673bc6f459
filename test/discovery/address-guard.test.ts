import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AddressGuard,
  addressScope,
  mayNamePeer,
  parseTrackerUrl,
  withoutCredentials,
} from '../../engine/discovery/address-guard.js';
import { SwarmError } from '../../engine/errors.js';
import { ipBytes } from '../../engine/policy/ip-address.js';

const never = new AbortController().signal;
const noDns = async (): Promise<readonly string[]> => assert.fail('a literal must not be resolved');
const forbidden = { code: 'TRACKER_FORBIDDEN_ADDRESS' };

const scopeOf = (host: string): string => addressScope(ipBytes(host) ?? assert.fail(host));
const admit = async (url: string, guard = new AddressGuard(noDns)): Promise<readonly string[]> =>
  (await guard.admit(parseTrackerUrl(url), never)).map(({ host }) => host);

describe('tracker URLs', () => {
  it('reads scheme, host, port, path and query', () => {
    const { scheme, host, port, path, query } = parseTrackerUrl(
      'HTTPS://Tracker.Example/pass/announce?a=b#c',
    );
    assert.deepEqual(
      [scheme, host, port, path, query],
      ['https', 'tracker.example', 443, '/pass/announce', '?a=b'],
    );
    assert.equal(parseTrackerUrl('http://h/announce').port, 80);
    assert.equal(parseTrackerUrl('udp://[2001:DB8:0::1]:6969/announce').host, '2001:db8::1');
    assert.equal(parseTrackerUrl('udp://h:80/x').text, 'udp://h:80/x');
  });

  it('makes odd notations of an IPv4 host canonical, for every scheme', () => {
    const odd = [
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '0x7f.1',
      '127.0.0.1.',
      '[::ffff:127.0.0.1]',
      '①②⑦.1',
    ];
    for (const scheme of ['http', 'https', 'udp'])
      for (const host of odd)
        assert.equal(parseTrackerUrl(`${scheme}://${host}:80/x`).host, '127.0.0.1', host);
  });

  it('refuses other schemes, other shapes, port 0 and endless text', () => {
    const bad = [
      'file:///etc/passwd',
      'ftp://h/',
      'ws://h/',
      'javascript:alert(1)',
      '//h/announce',
      'http:h/announce',
      'http://',
      'udp://h:0/',
      'http://h:99999/',
      'http://[::1/',
      'http://a b/',
      '',
      `http://h/${'x'.repeat(3_000)}`,
    ];
    for (const text of bad) assert.throws(() => parseTrackerUrl(text), forbidden, text.slice(0, 40));
  });

  it('keeps credentials for the header and out of everything that is shown', () => {
    const url = parseTrackerUrl('http://user:p%40ss@h/announce');
    assert.equal(url.authorization, `Basic ${Buffer.from('user:p@ss').toString('base64')}`);
    assert.equal(url.text, 'http://h/announce');
    assert.equal(withoutCredentials('udp://u:p@q@h:1/@x'), 'udp://h:1/@x');
    assert.throws(
      () => parseTrackerUrl('ftp://user:secret@h/'),
      (error) =>
        error instanceof SwarmError && !JSON.stringify([error.message, error.details]).includes('secret'),
    );
  });
});

describe('address scope', () => {
  it('knows public, local and never', () => {
    const expected = {
      public: [
        '1.1.1.1',
        '11.22.33.1',
        '172.15.0.1',
        '172.32.0.1',
        '192.167.0.1',
        '100.63.0.1',
        '100.128.0.1',
        '2606:4700::1111',
        '64:ff9b::101:101',
        '2002:101:101::1',
      ],
      local: [
        '127.0.0.1',
        '127.255.255.254',
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '100.64.0.1',
        '::1',
        'fd12::1',
        'fc00::1',
        '::ffff:192.168.0.1',
      ],
      never: [
        '0.0.0.0',
        '0.1.2.3',
        '169.254.169.254',
        '169.254.0.1',
        '224.0.0.1',
        '255.255.255.255',
        '240.0.0.1',
        '192.0.0.192',
        '100.100.100.200',
        '::',
        '::7f00:1',
        'fe80::1',
        'febf::1',
        'fec0::1',
        'ff02::1',
        'fd00:ec2::254',
        '64:ff9b::7f00:1',
        '64:ff9b::a9fe:a9fe',
        '64:ff9b:1::1',
        '2002:7f00:1::',
        '2002:c0a8:101::1',
        '2001::1',
        '::ffff:169.254.169.254',
      ],
    };
    for (const [scope, hosts] of Object.entries(expected))
      for (const host of hosts) assert.equal(scopeOf(host), scope, host);
  });
});

describe('address guard', () => {
  it('asks local hosts for announce-like paths only', async () => {
    const fine = [
      '/announce',
      '/announce.php',
      '/announce?k=1',
      '/0a1b2c/announce',
      '/announce/0a1b2c',
      '/scrape',
      '/x/scrape.php',
    ];
    const bad = [
      '/',
      '/x',
      '/announcement',
      '/admin/announce/delete',
      '/announce/../x',
      '/announce/a/b',
      '/x/y/announce',
      '/%61nnounce',
      '/announce%2f..',
      '/x?/announce',
      '/x#/announce',
    ];
    for (const host of ['127.0.0.1', '127.1', '[::1]', '10.1.2.3', '[fd00::1]', '[::ffff:10.0.0.1]']) {
      for (const path of fine) assert.equal((await admit(`http://${host}:80${path}`)).length, 1, path);
      for (const path of bad) await assert.rejects(admit(`http://${host}:80${path}`), forbidden, host + path);
    }
  });

  it('lets a UDP tracker come without a path, but not with another one', async () => {
    assert.deepEqual(await admit('udp://127.0.0.1:6969'), ['127.0.0.1']);
    await assert.rejects(admit('udp://127.0.0.1:6969/x'), forbidden);
  });

  it('never talks to link-local addresses, whatever the path', async () => {
    for (const host of [
      '169.254.169.254',
      '2852039166',
      '0xa9fea9fe',
      '[::ffff:a9fe:a9fe]',
      '[fe80::1]',
      '0',
      '[::]',
    ])
      for (const scheme of ['http', 'udp'])
        await assert.rejects(admit(`${scheme}://${host}:80/announce`), forbidden, host);
  });

  it('judges what a name resolves to, and drops what is unfit', async () => {
    const at = (...hosts: string[]) => new AddressGuard(async () => hosts);
    assert.deepEqual(await admit('http://t.example/announce', at('127.0.0.1', '169.254.1.1', '::1')), [
      '127.0.0.1',
      '::1',
    ]);
    await assert.rejects(admit('http://t.example/x', at('127.0.0.1')), forbidden);
    await assert.rejects(admit('http://t.example/announce', at('169.254.169.254')), forbidden);
    await assert.rejects(admit('http://t.example/announce', at('not an address')), forbidden);
    await assert.rejects(admit('http://t.example/announce', at()), forbidden);
    assert.deepEqual(
      await admit('http://t.example/x', at('10.0.0.1', '1.2.3.4')),
      ['1.2.3.4'],
      'public only',
    );
  });

  it('resolves once a request and pins: a name that flips to a local address is refused', async () => {
    const answers = [['1.2.3.4'], ['127.0.0.1'], ['1.2.3.4']];
    const guard = new AddressGuard(async () => answers.shift() ?? assert.fail('resolved too often'));
    assert.deepEqual(await admit('http://t.example/announce', guard), ['1.2.3.4']);
    await assert.rejects(admit('http://t.example/announce', guard), forbidden);
    assert.deepEqual(await admit('http://t.example/announce', guard), ['1.2.3.4']);
    assert.equal(answers.length, 0);
  });

  it('asks a name that is left to a proxy for announce-like paths only, each time', async () => {
    const guard = new AddressGuard('by-proxy');
    assert.deepEqual(await admit('http://t.example.com/announce', guard), ['t.example.com']);
    for (const url of [
      'http://internal.example.com/v1/agent/leave?x=1',
      'https://internal.example.com/',
      'http://t.example.com/x',
      'http://internal/announce',
      'http://router.local/announce',
      'http://127.0.0.1/announce',
    ])
      await assert.rejects(admit(url, guard), forbidden, url);
    assert.deepEqual(await admit('https://t.example.com/key/announce.php', guard), ['t.example.com']);
    await assert.rejects(admit('http://10.1.2.3/x', new AddressGuard('by-proxy')), forbidden);
  });

  it('does not follow a public tracker inside, by name or by literal', async () => {
    const guard = new AddressGuard(async (host) =>
      host === 'public.example' ? ['1.2.3.4'] : ['192.168.0.1'],
    );
    await admit('http://public.example/x', guard);
    for (const host of ['127.0.0.1', 'inside.example', '[fd00::1]'])
      await assert.rejects(admit(`http://${host}/announce`, guard), forbidden, host);
  });

  it('reuses the addresses of the last time when asked, and bounds their number', async () => {
    let asked = 0;
    const many = [...Array.from({ length: 100 }, (_, n) => `1.1.1.${n + 1}`), '2606::1'];
    const guard = new AddressGuard(async () => {
      asked++;
      return many;
    });
    const url = parseTrackerUrl('http://t.example/announce');
    const first = await guard.admit(url, never);
    assert.deepEqual(
      first.map(({ family }) => family),
      [4, 4, 4, 4, 6],
    );
    assert.equal(await guard.admit(url, never, true), first);
    assert.equal(asked, 1);
  });

  it('does not resolve for a caller who is gone', async () => {
    const guard = new AddressGuard(noDns);
    const reason = new Error('gone');
    await assert.rejects(
      guard.admit(parseTrackerUrl('http://t.example/announce'), AbortSignal.abort(reason)),
      reason,
    );
  });
});

describe('peers that a tracker names', () => {
  const local = [{ host: '127.0.0.1', family: 4 }] as const;
  const remote = [{ host: '1.2.3.4', family: 4 }] as const;

  it('may be on this machine only when the tracker is local too', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1']) {
      assert.equal(mayNamePeer(remote, host), false, host);
      assert.equal(mayNamePeer(local, host), true, host);
    }
  });

  it('may be anywhere else that a peer can be, the LAN included, but not link-local', () => {
    for (const host of ['5.6.7.8', '192.168.1.9', '2600::1'])
      assert.equal(mayNamePeer(remote, host), true, host);
    for (const host of ['169.254.169.254', 'fe80::1', '0.0.0.0', 'localhost'])
      assert.equal(mayNamePeer(local, host), false, host);
  });
});
