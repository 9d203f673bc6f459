import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressKind } from '../../engine/policy/ip-address.js';
import { type ReachabilityFacts, reachability, SeenAs } from '../../engine/policy/reachability.js';

const OFF = { state: 'off', protocol: null, externalHost: null, failure: null } as const;
const mapped = (externalHost: string | null) =>
  ({ state: 'mapped', protocol: 'pcp', externalHost, failure: null }) as const;

const HOME: ReachabilityFacts = {
  listenHost: '0.0.0.0',
  interfaceHosts: ['192.168.1.5', 'fe80::1', '127.0.0.1'],
  mapping: OFF,
  incomingFromOutside: 0,
  seenAs: null,
};

const CASES: readonly (readonly [
  title: string,
  facts: Partial<ReachabilityFacts>,
  state: string,
  says: RegExp,
])[] = [
  [
    'by a proxy there is no way in, whatever else there is',
    { proxied: true, listenHost: null, interfaceHosts: ['8.8.4.4'] },
    'outgoing only',
    /proxy.*no UDP/,
  ],
  ['a public address is direct', { interfaceHosts: ['8.8.4.4'] }, 'direct', /public address 8\.8\.4\.4/],
  ['a mapping on a public router is mapped', { mapping: mapped('8.8.4.4') }, 'mapped', /forwards our port/],
  ['a router without an address is mapped', { mapping: mapped(null) }, 'mapped', /does not tell/],
  ['a router behind a router is no way in', { mapping: mapped('10.0.0.2') }, 'outgoing only', /bridge mode/],
  ['carrier NAT is no way in', { mapping: mapped('100.64.3.2') }, 'outgoing only', /Ask the provider/],
  [
    'a router that others contradict is doubted',
    { mapping: mapped('8.8.4.4'), seenAs: '9.9.9.9' },
    'unknown',
    /others see us at 9\.9\.9\.9.*VPN/s,
  ],
  [
    'what others see over IPv6 does not contradict it',
    { mapping: mapped('8.8.4.4'), seenAs: '2a00::1' },
    'mapped',
    /./,
  ],
  ['a search is not over', { mapping: { ...OFF, state: 'searching' } }, 'unknown', /is being asked/],
  [
    'a deaf router is to be switched on',
    { mapping: { ...OFF, state: 'failed', failure: 'no-answer' } },
    'outgoing only',
    /Switch on UPnP/,
  ],
  [
    'a router that hangs is not said to answer nonsense',
    { mapping: { ...OFF, state: 'failed', failure: 'bad-answer', message: 'the router hangs' } },
    'outgoing only',
    /^the router hangs Restart/,
  ],
  [
    'a refusal is to be lifted',
    { mapping: { ...OFF, state: 'failed', failure: 'refused' } },
    'outgoing only',
    /Allow UPnP/,
  ],
  ['nobody was asked', {}, 'outgoing only', /not asked.*Forward the listening port/s],
  [
    'a port of the user may be forwarded by hand, where the router was not asked',
    { portGiven: true },
    'unknown',
    /only when somebody from outside connects.*from another network/s,
  ],
  [
    'a port of the user may be forwarded by hand, where the router is deaf',
    { portGiven: true, mapping: { ...OFF, state: 'failed', failure: 'no-answer' } },
    'unknown',
    /does not answer.*only when somebody from outside connects.*from another network/s,
  ],
  [
    'a port of the user is not forwarded by a router that is not there',
    { portGiven: true, mapping: { ...OFF, state: 'failed', failure: 'no-gateway' } },
    'outgoing only',
    /no router/,
  ],
  ['no network at all', { interfaceHosts: ['127.0.0.1', '::1'] }, 'outgoing only', /on no network.*Connect/s],
  [
    'a public IPv6 address may be behind a firewall',
    {
      interfaceHosts: ['192.168.1.5', '2a00:1450::1'],
      mapping: { ...OFF, state: 'failed', failure: 'no-answer' },
    },
    'unknown',
    /firewall may keep closed/,
  ],
  [
    'who is bound to what went away waits for it',
    { listenHost: null, isAway: true, interfaceHosts: [] },
    'unknown',
    /bound to is away.*Bring it up/s,
  ],
  [
    'who listens to its own machine only',
    { listenHost: '127.0.0.1' },
    'unknown',
    /this machine only.*--listen/s,
  ],
  [
    'who listens nowhere is not reached',
    { listenHost: null, incomingFromOutside: 3 },
    'outgoing only',
    /--listen/,
  ],
];

for (const [title, facts, state, says] of CASES) {
  test(title, () => {
    const found = reachability({ ...HOME, ...facts });
    assert.equal(found.state, state);
    assert.match(`${found.reason} ${found.advice ?? ''}`, says);
    assert.equal(found.confirmed, false);
  });
}

test('a connection that came settles it', () => {
  const open = reachability({ ...HOME, incomingFromOutside: 1 });
  assert.deepEqual([open.state, open.confirmed, open.advice], ['direct', true, null]);
  const byRouter = reachability({ ...HOME, incomingFromOutside: 1, mapping: mapped('10.0.0.2') });
  assert.deepEqual([byRouter.state, byRouter.how, byRouter.confirmed], ['mapped', 'pcp', true]);
});

test('whoever is not reachable, or may not be, is told what to do', () => {
  const failure = fc.constantFrom(null, 'no-gateway', 'no-answer', 'bad-answer', 'refused');
  const host = fc.constantFrom('192.168.1.5', '127.0.0.1', '8.8.4.4', '2a00::1', 'fe80::1', '100.64.0.1');
  fc.assert(
    fc.property(
      fc.record({
        listenHost: fc.constantFrom(null, '::', '127.0.0.1'),
        portGiven: fc.boolean(),
        interfaceHosts: fc.array(host),
        mapping: fc.record({
          state: fc.constantFrom('off', 'searching', 'mapped', 'failed'),
          protocol: fc.constantFrom(null, 'upnp', 'pcp', 'nat-pmp'),
          externalHost: fc.option(host),
          failure,
        }),
        incomingFromOutside: fc.nat(2),
        seenAs: fc.option(host),
      }) as fc.Arbitrary<ReachabilityFacts>,
      (facts) => {
        const { state, advice, reason, confirmed } = reachability(facts);
        assert.notEqual(reason, '');
        const isWaiting = state === 'unknown' && facts.mapping.state === 'searching';
        if (state !== 'direct' && state !== 'mapped' && !isWaiting) assert.notEqual(advice, null);
        if (confirmed) assert.ok(state === 'direct' || state === 'mapped');
      },
    ),
  );
});

test('one network has one vote on our address, and three must agree', () => {
  const seen = new SeenAs();
  for (let host = 1; host < 200; host++) seen.tell(`5.5.5.${host}`, '6.6.6.6');
  assert.equal(seen.agreed(4), null);
  seen.tell('5.5.6.1', '8.8.4.4');
  seen.tell('5.5.7.1', '8.8.4.4');
  assert.equal(seen.agreed(4), null);
  seen.tell('5.5.8.1', '8.8.4.4');
  assert.equal(seen.agreed(4), '8.8.4.4');
  assert.equal(seen.agreed(6), null);
  seen.clear();
  assert.equal(seen.agreed(4), null);
});

test('only public addresses count, told by public addresses', () => {
  const seen = new SeenAs();
  for (let i = 1; i < 10; i++) {
    seen.tell(`192.168.${i}.1`, '8.8.4.4');
    seen.tell(`5.5.${i}.1`, '10.0.0.1');
    seen.tell(`5.6.${i}.1`, '__proto__');
  }
  assert.equal(seen.agreed(4), null);
});

test('who tells much is not remembered for ever', () => {
  const seen = new SeenAs();
  for (let i = 0; i < 3; i++) seen.tell(`5.5.${i}.1`, '8.8.4.4');
  for (let i = 0; i < 100_000; i++)
    seen.tell(`5.${6 + ((i >> 8) % 200)}.${i & 255}.1`, `9.${i & 255}.${(i >> 8) & 255}.9`);
  assert.equal(seen.agreed(4), null);
});

for (const [host, kind] of Object.entries({
  '8.8.8.8': 'public',
  '192.168.0.1': 'private',
  '172.31.255.255': 'private',
  '172.32.0.1': 'public',
  '100.64.0.1': 'shared',
  '169.254.1.1': 'link',
  '127.1.2.3': 'loopback',
  '0.0.0.0': 'none',
  '224.0.0.1': 'none',
  '256.1.1.1': 'none',
  '192.0.2.1': 'none',
  '::ffff:8.8.8.8': 'public',
  '::ffff:10.0.0.1': 'private',
  '2001:db8::1': 'none',
  '2001:0:1::1': 'none',
  '2001::1': 'none',
  '2001:4860:4860::8888': 'public',
  'fe80::1%eth0': 'link',
  'fd00::1': 'private',
  '::1': 'loopback',
  '::': 'none',
  'ff02::1': 'none',
  'router.example': 'none',
  '': 'none',
}))
  test(`${host || 'nothing'} is ${kind}`, () => assert.equal(addressKind(host), kind));
