/** Through a real router: what the port mapper asks of miniupnpd, and whether the Internet then reaches us. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PortMappingSnapshot } from '../../engine/snapshot.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import type { RunningClient } from '../support/clients.js';
import { LAB, NatLab, type RouterSoftware, requireNatLab } from '../support/nat-lab.js';
import { commandFile } from '../support/root.js';

const support = fileURLToPath(new URL('../support/', import.meta.url));
const PORT = 17_001;
const TIMEOUT_MS = 60_000;

/** The mapper in front of two echoes, on the LAN. */
class Behind {
  readonly #process: RunningClient;

  constructor(lab: NatLab) {
    this.#process = lab.start('lan', process.execPath, join(support, 'port-mapper-process.js'), String(PORT));
  }

  get told(): PortMappingSnapshot[] {
    const lines = this.#process.output().split('\n');
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  async reaches(state: string, times = 1): Promise<PortMappingSnapshot> {
    await this.#process.printed(new RegExp(`(?:"state":"${state}"[^]*?\n[^]*?){${times}}`));
    return this.told.filter((snapshot) => snapshot.state === state)[times - 1]!;
  }

  async close(): Promise<void> {
    this.#process.process.kill('SIGTERM');
    await this.#process.printed(/"state":"closed"/);
  }
}

async function echo(lab: NatLab, host: string, port: number): Promise<unknown> {
  const caller = lab.start('wan', process.execPath, join(support, 'echo-process.js'), host, String(port));
  return JSON.parse((await caller.printed(/\{.*\}/))[0]);
}

/** Answers searches with a URL, and takes connections at port 8080. */
async function fakeIgd(
  lab: NatLab,
  side: 'rtr' | 'wan',
  host: string,
  location: string,
): Promise<RunningClient> {
  const program = lab.start(side, process.execPath, join(support, 'fake-igd-process.js'), host, location);
  await program.printed(/ready/);
  return program;
}

async function labFor(t: TestContext): Promise<NatLab | undefined> {
  return requireNatLab(t) ? await NatLab.create(cleanUpOf(t)) : undefined;
}

const ROUTERS: Readonly<Record<string, RouterSoftware & { readonly protocol: string }>> = {
  'UPnP, version 1': { upnp: 1, portControl: null, protocol: 'upnp' },
  'UPnP, version 2': { upnp: 2, portControl: null, protocol: 'upnp' },
  'NAT-PMP alone': { upnp: null, portControl: 'nat-pmp', protocol: 'nat-pmp' },
  'PCP alone': { upnp: null, portControl: 'pcp', protocol: 'pcp' },
};

describe('behind a home router', () => {
  for (const [name, { protocol, ...software }] of Object.entries(ROUTERS)) {
    test(`the Internet reaches us by ${name}, and no more once we left`, {
      timeout: TIMEOUT_MS,
    }, async (t) => {
      const lab = await labFor(t);
      if (lab === undefined) return;
      await lab.startRouter(software);
      assert.deepEqual(await echo(lab, LAB.externalHost, PORT), { tcp: '', udp: '' });
      const behind = new Behind(lab);
      const snapshot = await behind.reaches('mapped');
      assert.equal(snapshot.protocol, protocol);
      assert.equal(snapshot.gateway, LAB.gateway);
      assert.equal(snapshot.localHost, LAB.lanHost);
      assert.equal(snapshot.externalHost, LAB.externalHost);
      assert.deepEqual(
        snapshot.mappings.map(({ transport, externalPort }) => [transport, externalPort]),
        [
          ['tcp', PORT],
          ['udp', PORT],
        ],
      );
      assert.deepEqual(await echo(lab, LAB.externalHost, PORT), { tcp: 'by TCP', udp: 'by UDP' });
      await behind.close();
      assert.equal(lab.forwarded(), 0);
    });
  }

  test('of a router that speaks everything one protocol is used', { timeout: TIMEOUT_MS }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    await lab.startRouter({ upnp: 2, portControl: 'both' });
    const behind = new Behind(lab);
    await behind.reaches('mapped');
    assert.equal(lab.forwarded(), 2);
    assert.deepEqual(await echo(lab, LAB.externalHost, PORT), { tcp: 'by TCP', udp: 'by UDP' });
    await behind.close();
    assert.equal(lab.forwarded(), 0);
  });

  test('a router that forgot everything in a restart is asked again', { timeout: TIMEOUT_MS }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    await lab.startRouter({ upnp: null, portControl: 'both' });
    const behind = new Behind(lab);
    await behind.reaches('mapped');
    await lab.stopRouter();
    assert.deepEqual(await echo(lab, LAB.externalHost, PORT), { tcp: '', udp: '' });
    await lab.startRouter({ upnp: null, portControl: 'both' });
    await untilForwarded(lab, 2);
    assert.deepEqual(await echo(lab, LAB.externalHost, PORT), { tcp: 'by TCP', udp: 'by UDP' });
    await behind.close();
  });

  test('a router that is deaf is told of, and used once it hears', { timeout: TIMEOUT_MS }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    const behind = new Behind(lab);
    const { failure, message, gateway } = await behind.reaches('failed');
    assert.deepEqual([failure, gateway], ['no-answer', LAB.gateway]);
    assert.match(message, /192\.168\.77\.1 answers neither UPnP nor NAT-PMP nor PCP/);
    await lab.startRouter({ upnp: null, portControl: 'both' });
    await behind.reaches('mapped');
    assert.deepEqual(await echo(lab, LAB.externalHost, PORT), { tcp: 'by TCP', udp: 'by UDP' });
    await behind.close();
  });

  test('a router that takes the question and hangs is told of', { timeout: TIMEOUT_MS }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    await fakeIgd(lab, 'rtr', LAB.gateway, `http://${LAB.gateway}:8080/`);
    const behind = new Behind(lab);
    const { failure, message } = await behind.reaches('failed');
    assert.deepEqual(
      [failure, message],
      ['bad-answer', `the router ${LAB.gateway} takes the connection and then hangs`],
    );
    await behind.close();
  });

  test('a router that sends us to another host is not followed', { timeout: TIMEOUT_MS }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    const elsewhere = `http://${LAB.wanHost}:8080/`;
    const other = await fakeIgd(lab, 'wan', LAB.wanHost, elsewhere);
    await fakeIgd(lab, 'rtr', LAB.gateway, elsewhere);
    const behind = new Behind(lab);
    assert.equal((await behind.reaches('failed')).failure, 'no-answer');
    assert.doesNotMatch(other.output(), /asked/);
    await behind.close();
  });

  test('swarm doctor has the port forwarded for a look, and leaves nothing', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    const state = await temporaryFolder(cleanUpOf(t));
    const env = ['SWARM_DISCOVERY=', `SWARM_STATE_DIR=${state}`];
    const doctor = () => lab.start('lan', 'env', ...env, process.execPath, commandFile, 'doctor', '--no-dht');
    lab.addPrivateIPv6('fd00::2');
    const deaf = doctor();
    await deaf.printed(/works, with 3 warnings/);
    assert.match(deaf.output(), /^warning {2}reachability {5}outgoing only: the router does not answer/m);
    assert.match(deaf.output(), /^warning {2}ipv6 {13}fd00::2 is an address for the own network/m);
    assert.match(deaf.output(), /Switch on UPnP in the router's settings/);
    await lab.startRouter({ upnp: 2, portControl: 'both' });
    const heard = doctor();
    await heard.printed(/works, with 1 warning/);
    assert.match(heard.output(), /forwards TCP (\d+) and UDP \1 by \S+; its outer address is 11\.22\.33\.1/);
    assert.match(heard.output(), /^good {5}reachability {5}mapped:/m);
    assert.equal(lab.forwarded(), 0);
  });

  test('without a router we say so and go on', { timeout: TIMEOUT_MS }, async (t) => {
    const lab = await labFor(t);
    if (lab === undefined) return;
    lab.removeDefaultRoute();
    const behind = new Behind(lab);
    const { failure, message } = await behind.reaches('failed');
    assert.equal(failure, 'no-gateway');
    assert.match(message, /no default route/);
    await behind.close();
  });
});

/** The router tells nobody of what it forwards: it must be looked at. */
async function untilForwarded(lab: NatLab, ports: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (lab.forwarded() !== ports) {
    assert.ok(performance.now() < deadline, `${lab.forwarded()} ports are forwarded`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
