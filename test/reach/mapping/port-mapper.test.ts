/** The port mapper through time: renewing, restarts, networks that change, gateways that lie; on loopback. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PortMapperOptions } from '../../../engine/reach/mapping/port-mapper.js';
import type { Route } from '../../../engine/reach/mapping/route.js';
import { systemClock } from '../../../engine/system.js';
import { asMillis } from '../../../engine/units.js';
import { cleanUpOf } from '../../support/cleanup.js';
import { VirtualClock } from '../../support/virtual-clock.js';
import { FakeGateway } from './fake-gateway.js';
import { FakeRouter } from './fake-router.js';
import { deafPort, LOOPBACK, Watched } from './mapper.js';

interface SetUp {
  readonly prepare?: (gateway: FakeGateway) => void;
  readonly options?: Partial<PortMapperOptions>;
}

/** A mapper whose clock moves when told, at a gateway whose clock is the same. */
async function setUp(t: TestContext, { prepare, options }: SetUp = {}) {
  const scope = cleanUpOf(t);
  const gateway = await FakeGateway.start(scope);
  const clock = new VirtualClock();
  gateway.epochSeconds = () => 1_000 + Math.floor(clock.now() / 1000);
  prepare?.(gateway);
  const watched = new Watched(scope, { clock, gatewayPort: gateway.port, ...options });
  watched.mapper.start({ tcp: 7000, udp: 7000 });
  /** Lets time pass; what is asked meanwhile is waited for, in no time where somebody answers. */
  const pass = async (seconds: number): Promise<void> => {
    await watched.mapper.idle();
    for (let passed = 0; passed < seconds; passed += 10) {
      clock.advance(10_000);
      if (gateway.speaks.length === 0) await giveUp(clock, watched);
      await watched.mapper.idle();
    }
  };
  return { gateway, clock, watched, pass };
}

/** Nobody answers: time passes until nothing more is asked. */
async function giveUp(clock: VirtualClock, { mapper }: Watched): Promise<void> {
  let idle = false;
  const ended = mapper.idle().then(() => {
    idle = true;
  });
  while (!idle) {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5))]);
    if (!idle) clock.advance(250);
  }
}

for (const protocol of ['nat-pmp', 'pcp'] as const) {
  test(`maps by ${protocol} where the gateway speaks nothing else`, async (t) => {
    const { watched, gateway } = await setUp(t, {
      prepare: (fake) => {
        fake.speaks = [protocol];
      },
    });
    const snapshot = await watched.settled();
    assert.deepEqual(
      [snapshot.state, snapshot.protocol, snapshot.externalHost],
      ['mapped', protocol, '1.2.3.4'],
    );
    assert.deepEqual(
      snapshot.mappings,
      (['tcp', 'udp'] as const).map((transport) => ({
        transport,
        internalPort: 7000,
        externalPort: 7000,
        leaseSeconds: 1800,
      })),
    );
    await watched.mapper.close();
    const removed = await gateway.received('unmap', 2);
    assert.deepEqual(removed.map(({ transport }) => transport).sort(), ['tcp', 'udp']);
    assert.ok(gateway.requests.every((request) => request.protocol === protocol || request.kind === 'probe'));
  });

  test(`renews at half of the lease by ${protocol}, with the port that it got`, async (t) => {
    const { watched, gateway, pass } = await setUp(t, {
      prepare: (fake) => {
        fake.speaks = [protocol];
        fake.grant = () => ({ externalPort: 9_999, lifetimeSeconds: 600 });
      },
    });
    await watched.settled();
    await gateway.received('map', 2);
    await pass(290);
    assert.equal((await gateway.received('map', 0)).length, 2);
    await pass(20);
    const maps = await gateway.received('map', 4);
    assert.deepEqual(
      maps.slice(2).map(({ externalPort }) => externalPort),
      [9_999, 9_999],
    );
  });

  test(`maps anew when the ${protocol} gateway's clock shows that it has restarted`, async (t) => {
    const { watched, gateway, clock, pass } = await setUp(t, {
      prepare: (fake) => {
        fake.speaks = [protocol];
      },
    });
    await watched.settled();
    await pass(200);
    assert.equal((await gateway.received('map', 0)).length, 2);
    const restartedAt = clock.now();
    gateway.epochSeconds = () => Math.floor((clock.now() - restartedAt) / 1000);
    await pass(130);
    await gateway.received('map', 4);
  });

  test(`asks at once when the ${protocol} gateway says that it has restarted, and only then`, async (t) => {
    let announce: (from: string) => void = () => {};
    const { watched, gateway, clock, pass } = await setUp(t, {
      prepare: (fake) => {
        fake.speaks = [protocol];
      },
      options: {
        listenToGateway: (_localHost, onAnnounced) => {
          announce = onAnnounced;
          return () => {};
        },
      },
    });
    await watched.settled();
    await pass(50);
    const probes = gateway.requests.filter(({ kind }) => kind === 'probe').length;
    for (let i = 0; i < 1_000; i++) announce('127.0.0.9');
    await pass(10);
    assert.equal(gateway.requests.filter(({ kind }) => kind === 'probe').length, probes);
    for (let i = 0; i < 1_000; i++) announce('127.0.0.1');
    await pass(50);
    const asked = gateway.requests.filter(({ kind }) => kind === 'probe').length - probes;
    assert.ok(asked >= 1 && asked <= 2, `${asked} questions for a thousand announcements`);
    assert.equal((await gateway.received('map', 0)).length, 2);
    const restartedAt = clock.now();
    gateway.epochSeconds = () => Math.floor((clock.now() - restartedAt) / 1000);
    announce('127.0.0.1');
    await pass(10);
    await gateway.received('map', 4);
  });
}

for (const externalHost of ['0.0.0.0', '127.0.0.1', '255.255.255.255', '224.0.0.1'])
  test(`a gateway that gives its outer address as ${externalHost} tells none`, async (t) => {
    for (const protocol of ['nat-pmp', 'pcp'] as const) {
      const { watched } = await setUp(t, {
        prepare: (fake) => {
          fake.speaks = [protocol];
          fake.externalHost = externalHost;
        },
      });
      const snapshot = await watched.settled();
      assert.deepEqual([snapshot.state, snapshot.externalHost], ['mapped', null]);
    }
  });

test('of several protocols one makes the mappings', async (t) => {
  const router = await FakeRouter.start(cleanUpOf(t));
  const { watched, gateway } = await setUp(t, { options: { searchRouters: async () => [router.location] } });
  const { state } = await watched.settled();
  assert.equal(state, 'mapped');
  const byRouter = router.calls.filter(({ action }) => action === 'AddPortMapping').length;
  const byGateway = gateway.requests.filter(({ kind }) => kind === 'map');
  assert.equal(byRouter + byGateway.length, 2);
  assert.ok(new Set(byGateway.map(({ protocol }) => protocol)).size <= 1);
});

test('what one protocol is refused another may get', async (t) => {
  const router = await FakeRouter.start(cleanUpOf(t));
  const { watched } = await setUp(t, {
    prepare: (fake) => {
      fake.result = 2;
    },
    options: { searchRouters: async () => [router.location], clock: systemClock },
  });
  const { state, protocol } = await watched.settled();
  assert.deepEqual([state, protocol], ['mapped', 'upnp']);
});

test('says that the gateway refuses, and asks again later and later', async (t) => {
  const { watched, gateway, pass } = await setUp(t, {
    prepare: (fake) => {
      fake.speaks = ['nat-pmp'];
      fake.result = 2;
    },
  });
  const snapshot = await watched.settled();
  assert.deepEqual([snapshot.state, snapshot.failure], ['failed', 'refused']);
  assert.match(snapshot.message, /port forwarding is switched off/);
  const counts: number[] = [];
  for (let minutes = 0; minutes < 32; minutes++) {
    await pass(60);
    counts.push(gateway.requests.filter(({ protocol }) => protocol === 'nat-pmp').length);
  }
  const last = counts.at(-1)!;
  assert.ok(last >= 5 && last <= 10, `asked ${last} times in half an hour`);
  gateway.result = 0;
  await pass(900);
  assert.equal((await watched.settled()).state, 'mapped');
});

test('a gateway that falls silent is told of, and used again when it is back', async (t) => {
  const { watched, gateway, pass } = await setUp(t);
  await watched.settled();
  gateway.speaks = [];
  await pass(140);
  assert.equal((await watched.until(({ state }) => state === 'failed')).failure, 'no-answer');
  gateway.speaks = ['pcp'];
  await pass(60);
  assert.equal((await watched.until(({ state }) => state === 'mapped')).protocol, 'pcp');
});

test('maps anew on another network, without waiting for the renewal', async (t) => {
  let route: Route | undefined = LOOPBACK;
  const { watched, gateway, pass } = await setUp(t, { options: { findRoute: async () => route } });
  await watched.settled();
  route = undefined;
  await pass(40);
  const offline = await watched.until(({ state }) => state === 'failed');
  assert.deepEqual([offline.failure, offline.gateway], ['no-gateway', null]);
  route = { gateway: '127.0.0.1', localHost: '127.0.0.2' };
  await pass(40);
  const moved = await watched.until(({ state }) => state === 'mapped');
  assert.equal(moved.localHost, '127.0.0.2');
  assert.equal((await gateway.received('map', 4)).length, 4);
});

test('maps anew when a UPnP router has forgotten us, and takes note of its changed address', async (t) => {
  const router = await FakeRouter.start(cleanUpOf(t));
  const { watched, pass } = await setUp(t, {
    prepare: (fake) => {
      fake.result = 2;
    },
    options: { searchRouters: async () => [router.location] },
  });
  assert.equal((await watched.settled()).protocol, 'upnp');
  await pass(130);
  assert.equal(router.calls.filter(({ action }) => action === 'AddPortMapping').length, 2);
  router.mapped.clear();
  router.externalHost = '5.6.7.8';
  await pass(130);
  assert.deepEqual([...router.mapped.keys()], ['7000/TCP', '7000/UDP']);
  assert.equal(watched.mapper.snapshot().externalHost, '5.6.7.8');
});

test('a UPnP router that does not tell what it forwards is believed until the renewal', async (t) => {
  const router = await FakeRouter.start(cleanUpOf(t));
  router.fault = ({ action }) => (action === 'GetSpecificPortMappingEntry' ? 401 : undefined);
  const { watched, pass } = await setUp(t, {
    prepare: (fake) => {
      fake.result = 2;
    },
    options: { searchRouters: async () => [router.location] },
  });
  assert.equal((await watched.settled()).state, 'mapped');
  const added = () => router.calls.filter(({ action }) => action === 'AddPortMapping').length;
  await pass(600);
  assert.equal(added(), 2);
  await pass(320);
  assert.equal(added(), 4);
});

test('a gateway that grants no port, or no time, grants nothing', async (t) => {
  for (const nothing of [
    { externalPort: 0, lifetimeSeconds: 100 },
    { externalPort: 7000, lifetimeSeconds: 0 },
  ]) {
    const { watched } = await setUp(t, {
      prepare: (fake) => {
        fake.grant = () => nothing;
      },
    });
    const { state, failure } = await watched.settled();
    assert.deepEqual([state, failure], ['failed', 'bad-answer']);
  }
});

test('a lease of a second does not make us ask every half second', async (t) => {
  const { watched, gateway, pass } = await setUp(t, {
    prepare: (fake) => {
      fake.grant = ({ externalPort }) => ({ externalPort, lifetimeSeconds: 1 });
    },
  });
  await watched.settled();
  await pass(100);
  const renewals = (await gateway.received('map', 2)).length / 2;
  assert.ok(renewals <= 4, `${renewals} renewals in 100 s`);
});

test('a lease of a century is renewed after a quarter of an hour', async (t) => {
  const { watched, gateway, pass } = await setUp(t, {
    prepare: (fake) => {
      fake.grant = ({ externalPort }) => ({ externalPort, lifetimeSeconds: 2 ** 32 - 1 });
    },
  });
  await watched.settled();
  await pass(920);
  assert.equal((await gateway.received('map', 4)).length, 4);
});

test('answers that are none are waited out, whatever they hold', async (t) => {
  const junk = [
    Buffer.alloc(0),
    Buffer.alloc(1, 0xff),
    Buffer.alloc(7),
    Buffer.from([0, 128, 0, 0, 0, 0, 0]),
    Buffer.from([0, 129, 0, 0, 0, 0, 0, 1, 0, 0]),
    Buffer.alloc(60),
    Buffer.alloc(2_000, 0x82),
  ];
  let sent = 0;
  const { watched, gateway, clock } = await setUp(t, {
    prepare: (fake) => {
      fake.answer = () => junk[sent++ % junk.length];
    },
  });
  await giveUp(clock, watched);
  assert.equal((await watched.settled()).state, 'failed');
  assert.ok(gateway.requests.length <= 8, 'four attempts in each protocol');
});

test('close() in the middle of a wish takes the wish back', async (t) => {
  const { watched, gateway } = await setUp(t, {
    prepare: (fake) => {
      fake.speaks = ['nat-pmp'];
    },
    options: { clock: systemClock },
  });
  const grant = gateway.grant;
  gateway.grant = (request) => {
    void watched.mapper.close();
    return grant(request);
  };
  await gateway.received('map', 1);
  await watched.mapper.close();
  assert.ok((await gateway.received('unmap', 1)).length >= 1);
});

test('nothing is asked before start, after close, or without a port', async (t) => {
  const scope = cleanUpOf(t);
  const gateway = await FakeGateway.start(scope);
  for (const ports of [{}, { tcp: null, udp: 0 }]) {
    const watched = new Watched(scope, { gatewayPort: gateway.port });
    watched.mapper.start(ports);
    assert.equal(watched.mapper.snapshot().state, 'off');
    await watched.mapper.close();
    watched.mapper.start({ tcp: 7000 });
    assert.equal(watched.mapper.snapshot().state, 'off');
  }
  assert.equal(gateway.requests.length, 0);
});

test('with nobody to ask it fails and keeps quiet until it is closed', async (t) => {
  const scope = cleanUpOf(t);
  const watched = new Watched(scope, { gatewayPort: await deafPort() });
  watched.mapper.start({ tcp: 7000 });
  const { state, failure, message } = await watched.settled();
  assert.deepEqual([state, failure], ['failed', 'no-answer']);
  assert.notEqual(message, '');
  assert.equal(watched.told.length, 2);
});

test('a clock that fires late does not stop it', async (t) => {
  const { watched, clock, pass } = await setUp(t);
  await watched.settled();
  clock.schedule(asMillis(86_400_000), () => {});
  await pass(4_000);
  assert.equal((await watched.until(({ state }) => state === 'mapped')).state, 'mapped');
});
