import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { type TestContext, test } from 'node:test';
import type { SwarmError } from '../../engine/errors.js';
import { LOOK_MS, LocalBinding } from '../../engine/reach/local-binding.js';
import { deviceOf } from '../../engine/reach/way-out.js';
import { VirtualClock } from '../support/virtual-clock.js';

type Interfaces = Record<string, NetworkInterfaceInfo[]>;

function info(cidr: string): NetworkInterfaceInfo {
  const [address = ''] = cidr.split('/');
  const common = { address, netmask: '', mac: '', internal: address.startsWith('127.'), cidr };
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
}

const TWO: Interfaces = {
  lo: [info('127.0.0.1/8')],
  tun0: [info('10.8.0.2/24'), info('fe80::1/64'), info('2001:db8:8::2/64')],
  eth0: [info('192.168.1.5/24')],
};

class Machine {
  readonly clock = new VirtualClock();
  readonly told: string[] = [];
  interfaces: Interfaces = { ...TWO };
  leadsOut = true;
  pins = false;

  async bind(t: TestContext, target: string): Promise<LocalBinding> {
    const binding = await LocalBinding.open({
      target,
      clock: this.clock,
      interfaces: () => this.interfaces,
      leadsOut: async () => this.leadsOut,
      canPin: async () => this.pins,
    });
    t.after(() => binding.close());
    binding.hold({ onLost: () => this.told.push('lost'), onBack: () => this.told.push('back') });
    return binding;
  }

  /** The next look, and what it asks of the system. */
  async look(): Promise<void> {
    this.clock.advance(LOOK_MS);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
}

const refuses = (binding: LocalBinding, host: string) =>
  assert.throws(() => binding.sourceFor(host), { code: 'ADDRESS_UNAVAILABLE' }, host);

test('refuses to begin with an interface or address that is not there', async (t) => {
  const machine = new Machine();
  for (const target of ['wg7', '10.8.0.77', '::5'])
    await assert.rejects(machine.bind(t, target), { code: 'ADDRESS_UNAVAILABLE' }, target);
  machine.interfaces.wg7 = [info('fe80::7/64')];
  await assert.rejects(machine.bind(t, 'wg7'), { message: /wg7: the interface is down or has no address$/ });
});

test('tells an interface that is down from one that is none', {
  skip: process.platform !== 'linux' && 'only Linux tells',
}, async (t) => {
  const machine = new Machine();
  await assert.rejects(machine.bind(t, 'nosuch7'), (error: SwarmError) => {
    assert.match(error.message, /nosuch7: there is no such interface$/);
    assert.doesNotMatch(error.hint ?? '', /Bring it up/);
    return true;
  });
  // It is there, wherever this runs.
  machine.interfaces = {};
  await assert.rejects(machine.bind(t, 'lo'), { message: /lo: the interface is down/ });
});

test('takes one address of each family of an interface, or the one that was named', async (t) => {
  const machine = new Machine();
  const hosts = async (target: string) => (await machine.bind(t, target)).sources().map(({ host }) => host);
  assert.deepEqual(await hosts('tun0'), ['10.8.0.2', '2001:db8:8::2']);
  assert.deepEqual(await hosts('10.8.0.2'), ['10.8.0.2']);
});

test('sends by the interface only: to everybody where its way leads out, but never into a network of another', async (t) => {
  const binding = await new Machine().bind(t, 'tun0');
  assert.equal(binding.sourceFor('198.51.100.1').host, '10.8.0.2');
  assert.equal(binding.sourceFor('2001:db8::9').host, '2001:db8:8::2');
  for (const host of ['192.168.1.9', '127.0.0.1', 'fe80::9%eth0', 'tracker.example', ''])
    refuses(binding, host);
});

test('sends to its own network only where the way out is another one', async (t) => {
  const machine = new Machine();
  machine.leadsOut = false;
  const binding = await machine.bind(t, 'tun0');
  assert.equal(binding.sourceFor('10.8.0.1').host, '10.8.0.2');
  for (const host of ['198.51.100.1', '2001:db8::9', '192.168.1.9']) refuses(binding, host);
});

test('leaves it to the kernel where that keeps sockets on the interface', async (t) => {
  const machine = new Machine();
  machine.leadsOut = false;
  machine.pins = true;
  const binding = await machine.bind(t, 'tun0');
  assert.deepEqual(binding.sourceFor('198.51.100.1'), { host: '10.8.0.2', device: 'tun0', pinned: true });
});

test('sends nothing while the interface is gone, and says so once; goes on by itself, at its new address', async (t) => {
  const machine = new Machine();
  const binding = await machine.bind(t, 'tun0');
  const { tun0: _gone, ...rest } = TWO;
  machine.interfaces = rest;
  await machine.look();
  await machine.look();
  assert.deepEqual(machine.told, ['lost']);
  assert.equal(binding.snapshot().state, 'lost');
  refuses(binding, '10.8.0.1');
  machine.interfaces = { ...rest, tun0: [info('10.8.0.77/24')] };
  await machine.look();
  assert.deepEqual(machine.told, ['lost', 'back']);
  assert.equal(binding.sourceFor('10.8.0.1').host, '10.8.0.77');
  refuses(binding, '2001:db8::9');
});

test('sends nothing while the system does not tell its interfaces, as when no file can be opened', async (t) => {
  const machine = new Machine();
  const binding = await machine.bind(t, 'tun0');
  const fails = (): never => {
    throw new Error('uv_interface_addresses returned EMFILE');
  };
  Object.defineProperty(machine, 'interfaces', { configurable: true, get: fails });
  await machine.look();
  assert.deepEqual(machine.told, ['lost']);
  refuses(binding, '10.8.0.1');
  await assert.rejects(machine.bind(t, 'tun0'), { code: 'ADDRESS_UNAVAILABLE' });
  Object.defineProperty(machine, 'interfaces', { value: TWO });
  await machine.look();
  assert.deepEqual(machine.told, ['lost', 'back']);
});

test('takes an address in any writing of it', async (t) => {
  const binding = await new Machine().bind(t, '2001:0DB8:8:0::0002');
  assert.deepEqual(binding.snapshot().hosts, ['2001:db8:8::2']);
});

test('prefers an address of the Internet, and keeps the one that it has while others come and go', async (t) => {
  const machine = new Machine();
  const several = (...cidrs: string[]) => ({ ...TWO, tun0: cidrs.map(info) });
  machine.interfaces = several('10.8.0.2/24', 'fd00::2/64', '2600:8::2/64');
  const binding = await machine.bind(t, 'tun0');
  assert.equal(binding.sourceFor('2600:8::9').host, '2600:8::2');
  machine.interfaces = several('10.8.0.9/24', '10.8.0.2/24', '2600:8::7/64', '2600:8::2/64');
  await machine.look();
  assert.deepEqual(machine.told, []);
  assert.deepEqual(binding.snapshot().hosts, ['10.8.0.2', '2600:8::2']);
  machine.interfaces = several('10.8.0.2/24', '2600:8::7/64');
  await machine.look();
  assert.deepEqual(machine.told, ['lost', 'back']);
  assert.equal(binding.sourceFor('2600:8::9').host, '2600:8::7');
});

test('a change of the address between two looks ends what was bound to the old one', async (t) => {
  const machine = new Machine();
  await machine.bind(t, 'tun0');
  machine.interfaces = { ...TWO, tun0: [info('10.8.0.3/24')] };
  await machine.look();
  assert.deepEqual(machine.told, ['lost', 'back']);
});

test('a way out that leads elsewhere all of a sudden ends everything; other changes end nothing', async (t) => {
  const machine = new Machine();
  const binding = await machine.bind(t, 'tun0');
  machine.interfaces = { ...TWO, eth1: [info('192.168.2.5/24')] };
  await machine.look();
  assert.deepEqual(machine.told, []);
  refuses(binding, '192.168.2.9');
  machine.leadsOut = false;
  machine.interfaces = { ...TWO };
  await machine.look();
  assert.deepEqual(machine.told, ['lost', 'back']);
  refuses(binding, '198.51.100.1');
});

test('who does not hold on any more is not told, and nothing is after the end', async (t) => {
  const machine = new Machine();
  const binding = await machine.bind(t, 'tun0');
  const told: string[] = [];
  binding.hold({ onLost: () => told.push('lost') })();
  machine.interfaces = {};
  await machine.look();
  assert.deepEqual(told, []);
  binding.close();
  machine.interfaces = { ...TWO };
  await machine.look();
  assert.deepEqual(machine.told, ['lost']);
});

test('reads the interface out of what iproute2 says', () => {
  assert.equal(
    deviceOf('1.0.0.1 from 10.8.0.2 via 10.8.0.1 dev tun0 table 100 uid 0 \\    cache \n'),
    'tun0',
  );
  assert.equal(deviceOf(''), undefined);
});
