/** `--bind` on a host with two interfaces: what is bound to one is never seen on the other, whatever becomes of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BIND_LAB, BindLab, requireBindLab } from '../support/bind-lab.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import type { RunningClient } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { Exchange, type MadeTorrent } from '../support/exchange.js';
import { startSwarm } from '../support/swarm-command.js';

const support = fileURLToPath(new URL('../support/', import.meta.url));
const TIMEOUT_MS = 60_000;
/** Trackers, nodes and peers would all be tried again meanwhile. */
const LOST_MS = 4_000;
const PIECE_LENGTH = 64 * 1024;
const CONTENT_BYTES = 3_000_000;
const SEED_PORT = 7_001;
const SOCKETS_MS = 60;

/** A lab with content, which is seeded on the far sides, to be downloaded by the host. */
class Bound {
  readonly lab: BindLab;
  #getter: RunningClient | undefined;

  private constructor(
    readonly scope: ReturnType<typeof cleanUpOf>,
    readonly exchange: Exchange,
    readonly torrent: MadeTorrent,
    readonly received: string,
  ) {
    this.lab = BindLab.create(scope);
  }

  static async create(t: TestContext, tracker?: string): Promise<Bound> {
    const scope = cleanUpOf(t);
    const exchange = await Exchange.create(scope, PIECE_LENGTH, {
      'film.bin': (path) => writeContent(path, CONTENT_BYTES, t.name),
    });
    const torrent = await exchange.torrentOf('film.bin', tracker);
    return new Bound(scope, exchange, torrent, await exchange.receiver());
  }

  async seed(side: 'vpn' | 'net', host: string, ...more: readonly string[]): Promise<RunningClient> {
    const flags = ['--torrent', this.torrent.file, '--listen', `${host}:${SEED_PORT}`, '--json', ...more];
    const argv = ['seed', `${this.exchange.source}/film.bin`, ...flags];
    const seed = startSwarm(this.scope, this.lab.side(side), await temporaryFolder(this.scope), argv);
    await seed.printed(/"seeding"/);
    return seed;
  }

  async get(...more: readonly string[]): Promise<RunningClient> {
    const target = more.includes('--bind') ? [] : ['--bind', 'tun0'];
    const flags = [...target, '--out', this.received, '--json', ...more];
    const argv = ['get', this.torrent.file, ...flags];
    this.#getter = startSwarm(this.scope, this.lab.side('host'), await temporaryFolder(this.scope), argv);
    return this.#getter;
  }

  async completes(): Promise<void> {
    const getter = this.#getter!;
    if (getter.process.exitCode === null) await once(getter.process, 'exit');
    assert.equal(getter.process.exitCode, 0, getter.output());
    await assertSameContent(this.received, this.exchange.source);
  }
}

/** Sockets for multicasts alone: who tells neighbours of torrents, who hears of routers that start anew. */
const OF_MULTICASTS = /:(?:6771|5350)$/;

/** Looks again and again for sockets that are not kept on the interface. @returns those seen so far */
function watchSockets(t: TestContext, lab: BindLab): ReadonlySet<string> {
  const seen = new Set<string>();
  const look = () => {
    for (const socket of lab.looseSockets()) if (!OF_MULTICASTS.test(socket)) seen.add(socket);
  };
  const timer = setInterval(look, SOCKETS_MS);
  t.after(() => clearInterval(timer));
  return seen;
}

async function boundTest(t: TestContext, tracker?: string): Promise<Bound | undefined> {
  return requireBindLab(t) ? Bound.create(t, tracker) : undefined;
}

describe('swarm get --bind', { concurrency: 2 }, () => {
  test('downloads over the bound interface only, with the default route over another', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const bound = await boundTest(t);
    if (bound === undefined) return;
    await bound.seed('vpn', BIND_LAB.vpnHost);
    await bound.seed('net', BIND_LAB.netHost);
    const peers = [BIND_LAB.vpnHost, BIND_LAB.netHost, BIND_LAB.publicHost];
    await bound.get(...peers.flatMap((host) => ['--peer', `${host}:${SEED_PORT}`]));
    await bound.completes();
    assert.equal(bound.lab.astray(), 0);
  });

  test('asks name servers, trackers, the DHT and the web over the bound interface only, before and after it goes down', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const bound = await boundTest(t, 'http://tracker-a.example:6969/announce');
    if (bound === undefined) return;
    const { lab, scope } = bound;
    const { file } = bound.torrent;
    const loose = watchSockets(t, lab);
    const vpn = lab.start(
      'vpn',
      process.execPath,
      join(support, 'vpn-process.js'),
      BIND_LAB.publicHost,
      file,
    );
    await vpn.printed(/ready/);
    const tracker = startSwarm(scope, lab.side('vpn'), await temporaryFolder(scope), ['tracker', '--json']);
    await tracker.printed(/6969/);
    const announce = `http://${BIND_LAB.publicHost}:6969/announce`;
    await bound.seed(
      'vpn',
      BIND_LAB.publicHost,
      '--tracker',
      announce,
      '--dht-bootstrap',
      `${BIND_LAB.publicHost}:1`,
    );
    const stateHome = await temporaryFolder(scope);
    const getter = startSwarm(
      scope,
      lab.side('host'),
      stateHome,
      [
        ...['get', 'http://web.example:8080/film.torrent', '--bind', 'tun0', '--dns', BIND_LAB.publicHost],
        ...['--tracker', 'udp://tracker-b.example:6969'],
        ...[
          '--dht-bootstrap',
          `dht.example:${SEED_PORT}`,
          '--out',
          bound.received,
          '--json',
          '--keep-seeding',
        ],
      ],
      { SWARM_DISCOVERY: 'on' },
    );
    await getter.printed(/"type":"complete"/);
    await assertSameContent(bound.received, bound.exchange.source);
    for (const name of ['web', 'tracker-a', 'tracker-b', 'dht'])
      await vpn.printed(new RegExp(`asked ${name}.example`));
    assert.match(vpn.output(), /served/);
    await getter.printed(/"type":"peers-found".*"source":"tracker"/);
    assert.equal(lab.astray(), 0, 'while it is up');
    assert.deepEqual([...loose], []);
    lab.ip('link', 'set', 'tun0', 'down');
    await delay(LOST_MS);
    getter.process.kill('SIGINT');
    await once(getter.process, 'exit');
    assert.equal(lab.astray(), 0);
    // Ours of without the binding would tell who we are.
    const kept = (await readdir(join(stateHome, 'swarm'))).filter((name) => name.startsWith('dht'));
    assert.equal(kept.length, 1, kept.join());
    assert.match(kept[0]!, /^dht-[0-9a-f]{16}\.json$/);
  });

  test('asks a router to forward the port over the bound interface only, also while that goes down', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const bound = await boundTest(t);
    if (bound === undefined) return;
    const { lab, exchange, torrent, scope } = bound;
    lab.addGateway(BIND_LAB.silentHost);
    const loose = watchSockets(t, lab);
    const flags = ['--torrent', torrent.file, '--bind', 'tun0', '--no-dht', '--no-lsd', '--json'];
    const argv = ['seed', `${exchange.source}/film.bin`, ...flags];
    const env = { SWARM_DISCOVERY: 'on' };
    startSwarm(scope, lab.side('host'), await temporaryFolder(scope), argv, env);
    const asked = () => lab.routerAsked();
    // Each is sent again within the second.
    while (asked().search < 2 || asked().gateway < 6) await delay(50);
    assert.deepEqual([...loose], []);
    lab.ip('link', 'set', 'tun0', 'down');
    await delay(LOST_MS);
    assert.equal(lab.astray(), 0);
  });

  test('downloads over IPv6 from the bound interface only, and sends nothing when it is down', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const bound = await boundTest(t);
    if (bound === undefined) return;
    const { lab } = bound;
    lab.addIpv6();
    await bound.seed('vpn', `[${BIND_LAB.vpnHost6}]`);
    await bound.seed('net', `[${BIND_LAB.netHost6}]`);
    const peers = [BIND_LAB.vpnHost6, BIND_LAB.netHost6, BIND_LAB.publicHost6];
    const getter = await bound.get(
      ...peers.flatMap((host) => ['--peer', `[${host}]:${SEED_PORT}`]),
      ...['--bind', BIND_LAB.tunHost6, '--down', '500K'],
    );
    await getter.printed(/"type":"progress".*"downloadedBytes":[1-9]\d{4}/);
    assert.deepEqual(lab.looseSockets(), []);
    assert.equal(lab.astray(), 0);
    lab.ip('link', 'set', 'tun0', 'down');
    await getter.printed(/"type":"binding".*"state":"lost"/);
    await delay(LOST_MS);
    assert.equal(lab.astray(), 0);
    lab.ip('link', 'set', 'tun0', 'up');
    // The system forgets IPv6 addresses with the link.
    lab.ip('addr', 'add', `${BIND_LAB.tunHost6}/64`, 'dev', 'tun0', 'nodad');
    await bound.completes();
  });

  test('swarm seed --bind takes connections over the bound interface only, over IPv4 and IPv6', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const bound = await boundTest(t);
    if (bound === undefined) return;
    const { lab, exchange, torrent, scope } = bound;
    lab.addIpv6();
    const flags = ['--torrent', torrent.file, '--bind', 'tun0', '--listen', `${SEED_PORT}`, '--json'];
    const argv = ['seed', `${exchange.source}/film.bin`, ...flags];
    const seed = startSwarm(scope, lab.side('host'), await temporaryFolder(scope), argv);
    await seed.printed(/"seeding"/);
    const get = async (side: 'vpn' | 'net', host: string) => {
      const out = await exchange.receiver(`${side} ${isIPv6(host) ? 6 : 4}`);
      const peer = `${isIPv6(host) ? `[${host}]` : host}:${SEED_PORT}`;
      const args = ['get', torrent.file, '--peer', peer, '--out', out, '--timeout', '2s', '--json'];
      const run = startSwarm(scope, lab.side(side), await temporaryFolder(scope), args);
      await once(run.process, 'exit');
      return run.process.exitCode;
    };
    for (const host of [BIND_LAB.tunHost, BIND_LAB.tunHost6]) {
      assert.equal(await get('vpn', host), 0, host);
      assert.equal(lab.astray(), 0);
    }
    // By the other interface the address is reached, and nobody at it.
    assert.equal(await get('net', BIND_LAB.tunHost), 4);
  });

  test('swarm doctor --bind asks name servers, trackers and nodes over the bound interface only', {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    const bound = await boundTest(t);
    if (bound === undefined) return;
    const { lab, scope } = bound;
    lab.addGateway(BIND_LAB.vpnHost);
    const loose = watchSockets(t, lab);
    const args = [join(support, 'vpn-process.js'), BIND_LAB.publicHost, bound.torrent.file];
    const vpn = lab.start('vpn', process.execPath, ...args);
    await vpn.printed(/ready/);
    const at = `${BIND_LAB.publicHost}:6969`;
    const serve = ['tracker', '--http', at, '--udp', at, '--json'];
    const tracker = startSwarm(scope, lab.side('vpn'), await temporaryFolder(scope), serve);
    await tracker.printed(/6969/);
    const doctor = async () => {
      const argv = ['doctor', '--json', '--bind', 'tun0', '--dns', BIND_LAB.publicHost];
      const asked = ['http://tracker-a.example:6969/announce', 'udp://tracker-b.example:6969'];
      const named = [...asked.flatMap((url) => ['--tracker', url]), '--dht-bootstrap', 'dht.example:1'];
      const state = await temporaryFolder(scope);
      const env = { SWARM_DISCOVERY: 'on' };
      const run = startSwarm(scope, lab.side('host'), state, [...argv, ...named], env);
      await once(run.process, 'exit');
      return run.output();
    };
    const up = await doctor();
    assert.match(up, /"check":"binding","verdict":"good".*"pinned":true/);
    assert.match(up, /"check":"ipv4","verdict":"good".*"localHost":"11\.1\.0\.1"/);
    assert.equal(up.match(/"check":"tracker","verdict":"good"/g)?.length, 2, up);
    assert.match(up, /"check":"dht","verdict":"bad"/);
    assert.match(vpn.output(), /asked dht\.example/);
    assert.ok(lab.routerAsked().gateway > 0);
    assert.deepEqual([...loose], []);
    assert.equal(lab.astray(), 0);
    lab.ip('link', 'set', 'tun0', 'down');
    assert.match(await doctor(), /"check":"binding","verdict":"bad".*"code":"ADDRESS_UNAVAILABLE"/);
    assert.equal(lab.astray(), 0);
  });

  test('does not begin where the interface is down', { timeout: TIMEOUT_MS }, async (t) => {
    const bound = await boundTest(t);
    if (bound === undefined) return;
    bound.lab.ip('link', 'set', 'tun0', 'down');
    const getter = await bound.get('--peer', `${BIND_LAB.netHost}:${SEED_PORT}`);
    await once(getter.process, 'exit');
    assert.notEqual(getter.process.exitCode, 0);
    assert.match(getter.output(), /ADDRESS_UNAVAILABLE/);
    assert.match(getter.output(), /cannot bind to tun0/);
    assert.equal(bound.lab.astray(), 0);
  });

  type Step = (lab: BindLab) => void;
  const LOSSES: readonly (readonly [how: string, lose: Step, restore: Step])[] = [
    [
      'goes down',
      (lab) => lab.ip('link', 'set', 'tun0', 'down'),
      (lab) => lab.ip('link', 'set', 'tun0', 'up'),
    ],
    [
      'loses its address',
      (lab) => lab.ip('addr', 'del', `${BIND_LAB.tunHost}/24`, 'dev', 'tun0'),
      (lab) => lab.ip('addr', 'add', `${BIND_LAB.tunHost}/24`, 'dev', 'tun0'),
    ],
    ['goes away', (lab) => lab.ip('link', 'del', 'tun0'), (lab) => lab.makeTun()],
  ];
  for (const [how, lose, restore] of LOSSES)
    test(`goes on when the interface ${how} and comes back`, { timeout: TIMEOUT_MS }, async (t) => {
      const bound = await boundTest(t);
      if (bound === undefined) return;
      await bound.seed('vpn', BIND_LAB.vpnHost);
      await bound.seed('net', BIND_LAB.netHost);
      const peers = [BIND_LAB.vpnHost, BIND_LAB.netHost];
      const getter = await bound.get(
        ...peers.flatMap((host) => ['--peer', `${host}:${SEED_PORT}`]),
        ...['--down', '500K'],
      );
      await getter.printed(/"type":"progress".*"downloadedBytes":[1-9]\d{4}/);
      lose(bound.lab);
      await delay(LOST_MS);
      assert.match(getter.output(), /nothing is sent until tun0 is back/);
      assert.match(
        getter.output(),
        /"type":"binding","target":"tun0","state":"bound","hosts":\["11\.1\.0\.1"\]/,
      );
      assert.match(getter.output(), /"type":"binding","target":"tun0","state":"lost","hosts":\[\]/);
      const astray = bound.lab.astray();
      t.diagnostic(`${astray} packets left by the other interface`);
      restore(bound.lab);
      await bound.completes();
      assert.equal(astray, 0);
    });
});
