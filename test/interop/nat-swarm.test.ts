/**
 * `swarm seed` behind a home router: the Internet downloads from it through what the router forwards, led there by the
 * address, by a tracker, and by the DHT.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { type CleanUp, cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import type { RunningClient } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { Exchange, type MadeTorrent } from '../support/exchange.js';
import { LAB, NatLab, type RouterSoftware, requireNatLab } from '../support/nat-lab.js';
import { until } from '../support/real-clients.js';
import { commandFile } from '../support/root.js';
import { succeeded } from '../support/swarm-command.js';
import { assertFoundBy, eventsOf } from '../support/swarm-events.js';

const PORT = 17_001;
const NODE_PORT = 17_801;
const TRACKER_PORT = 17_802;
const TIMEOUT_MS = 90_000;
const TRACKER = `http://${LAB.wanHost}:${TRACKER_PORT}/announce`;
const NODE = ['--dht-bootstrap', `${LAB.wanHost}:${NODE_PORT}`];
/** TCP and UDP. */
const FORWARDED = 2;

const ROUTERS: Readonly<Record<string, RouterSoftware>> = {
  'UPnP, version 1': { upnp: 1, portControl: null },
  'UPnP, version 2': { upnp: 2, portControl: null },
  'NAT-PMP alone': { upnp: null, portControl: 'nat-pmp' },
  'PCP alone': { upnp: null, portControl: 'pcp' },
};

/** A lab with a tracker and a DHT node on the Internet, and content in the LAN. */
class Stage {
  readonly #scope: CleanUp;
  readonly lab: NatLab;
  readonly made: Exchange;
  readonly torrent: MadeTorrent;

  private constructor(scope: CleanUp, lab: NatLab, made: Exchange, torrent: MadeTorrent) {
    this.#scope = scope;
    this.lab = lab;
    this.made = made;
    this.torrent = torrent;
  }

  static async create(t: TestContext, software: RouterSoftware): Promise<Stage | undefined> {
    if (!requireNatLab(t)) return undefined;
    const scope = cleanUpOf(t);
    const lab = await NatLab.create(scope);
    await lab.startRouter(software);
    const made = await Exchange.create(scope, 64 * 1024, {
      'content.bin': (path) => writeContent(path, 1_000_000, t.name),
    });
    await writeContent(`${made.folder}/another.bin`, 1_000, 'another');
    const stage = new Stage(scope, lab, made, await made.torrentOf('content.bin'));
    const tracker = await stage.swarm('wan', [
      'tracker',
      '--http',
      `${LAB.wanHost}:${TRACKER_PORT}`,
      '--json',
    ]);
    await tracker.printed(/"type":"listening"/);
    const another = ['seed', `${made.folder}/another.bin`, '--listen', `${LAB.wanHost}:${NODE_PORT}`];
    const node = await stage.swarm('wan', [...another, '--json', '--no-nat', '--no-lsd']);
    await node.printed(/"type":"seeding"/);
    return stage;
  }

  async swarm(side: 'lan' | 'wan', args: readonly string[]): Promise<RunningClient> {
    const home = await temporaryFolder(this.#scope);
    const env = ['env', 'SWARM_DISCOVERY=', `XDG_STATE_HOME=${home}`];
    const [command, ...rest] = [...env, process.execPath, commandFile, ...args];
    return this.lab.start(side, command ?? '', ...rest);
  }

  /** Resolves when the router forwards to it. */
  async seed(...flags: readonly string[]): Promise<RunningClient> {
    const before = this.lab.forwarded();
    const path = `${this.made.source}/content.bin`;
    const found = ['--torrent', this.torrent.file, '--tracker', TRACKER, ...NODE];
    const seed = await this.swarm('lan', ['seed', path, ...found, '--listen', `${PORT}`, '--json', ...flags]);
    await seed.printed(/"type":"seeding"/);
    await until('the router forwards', () => this.lab.forwarded() === before + FORWARDED);
    return seed;
  }

  /** Downloads on the Internet. @returns the addresses that it was connected to */
  async get(name: string, source: 'user' | 'tracker' | 'dht', args: readonly string[]): Promise<string[]> {
    const out = await this.made.receiver(name);
    const listen = ['--listen', `${LAB.wanHost}:0`, '--no-nat', '--no-lsd', '--no-pex'];
    const get = await this.swarm('wan', ['get', ...args, '--out', out, '--json', '--quiet', ...listen]);
    await succeeded(get);
    await assertSameContent(out, this.made.source);
    if (source !== 'user') assertFoundBy(get, source);
    const connected = eventsOf(get).filter((event) => event.type === 'peer-connected');
    return connected
      .filter((event) => event.source === source)
      .map(({ host, port }) => `${String(host)}:${String(port)}`);
  }

  get magnet(): string {
    return `magnet:?xt=urn:btih:${this.torrent.infoHash}`;
  }
}

describe('the Internet downloads from swarm seed behind a router', { concurrency: 2 }, () => {
  for (const [name, software] of Object.entries(ROUTERS))
    test(`that speaks ${name}`, { timeout: TIMEOUT_MS }, async (t) => {
      const stage = await Stage.create(t, software);
      if (stage === undefined) return;
      const { lab, magnet } = stage;
      const seed = await stage.seed();
      const at = `${LAB.externalHost}:${PORT}`;
      assert.ok((await stage.get('by address', 'user', [magnet, '--peer', at, '--no-dht'])).includes(at));
      const named = `${magnet}&tr=${encodeURIComponent(TRACKER)}`;
      assert.ok((await stage.get('by tracker', 'tracker', [named, '--no-dht'])).includes(at));
      assert.ok((await stage.get('by DHT', 'dht', [magnet, ...NODE])).includes(at));
      assert.ok(
        eventsOf(seed).some(({ type, source }) => type === 'peer-connected' && source === 'incoming'),
      );
      const ended = once(seed.process, 'exit');
      seed.process.kill('SIGTERM');
      await ended;
      assert.equal(lab.forwarded(), 0);
    });

  for (const name of ['UPnP, version 1', 'NAT-PMP alone', 'PCP alone'] as const)
    test(`that speaks ${name}, by the sockets that it is bound to`, { timeout: TIMEOUT_MS }, async (t) => {
      const stage = await Stage.create(t, ROUTERS[name]!);
      if (stage === undefined) return;
      const { lab, magnet } = stage;
      const seed = await stage.seed('--bind', LAB.lanHost);
      const at = `${LAB.externalHost}:${PORT}`;
      assert.ok((await stage.get('by address', 'user', [magnet, '--peer', at, '--no-dht'])).includes(at));
      const ended = once(seed.process, 'exit');
      seed.process.kill('SIGTERM');
      await ended;
      assert.equal(lab.forwarded(), 0);
    });

  test('whose port of the same number is taken', { timeout: TIMEOUT_MS }, async (t) => {
    const stage = await Stage.create(t, { upnp: null, portControl: 'nat-pmp' });
    if (stage === undefined) return;
    const { lab, magnet } = stage;
    // RFC 6886: for another program of that host, TCP, for an hour.
    const packet = Buffer.from([0, 2, 0, 0, 18_000 >> 8, 18_000 & 255, PORT >> 8, PORT & 255, 0, 0, 14, 16]);
    const sent = `Buffer.from('${packet.toString('hex')}', 'hex'), 5351, '${LAB.gateway}'`;
    const script = `const s = require('node:dgram').createSocket('udp4'); s.send(${sent}, () => s.close());`;
    lab.start('lan', process.execPath, '-e', script);
    await until('the port is taken', () => lab.forwarded() === 1);
    await stage.seed();
    let at = '';
    let tries = 0;
    // It announced a port before the router told it another one, and soon announces that.
    await until('the other port is found', async () => {
      const args = [magnet, ...NODE, '--timeout', '5s'];
      try {
        [at = ''] = await stage.get(`by DHT ${tries++}`, 'dht', args);
      } catch (error) {
        assert.match(String(error), /swarm ended with 4/);
      }
      return at !== '';
    });
    assert.match(at, new RegExp(`^${LAB.externalHost.replaceAll('.', '\\.')}:\\d+$`));
    assert.notEqual(at, `${LAB.externalHost}:${PORT}`);
  });
});
