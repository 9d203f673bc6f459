/**
 * NAT lab: a host behind a home router and one on the Internet, in three network namespaces. The router is Linux with
 * nftables and, when asked to, Debian's miniupnpd.
 *
 *   lan 192.168.77.2 ── 192.168.77.1 router 11.22.33.1 ── 11.22.33.9 wan
 *
 * 11.22.33.0/24 exists only in here: miniupnpd takes no private or documentation address for an outer one.
 */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CleanUp, temporaryFolder } from './cleanup.js';
import { type RunningClient, requireClient, type Scope, skip, startClient } from './clients.js';
import { canMakeNamespaces, ip, removeNamespace, staleNamespaces } from './namespaces.js';

export const LAB = {
  lanHost: '192.168.77.2',
  gateway: '192.168.77.1',
  externalHost: '11.22.33.1',
  wanHost: '11.22.33.9',
} as const;

export interface RouterSoftware {
  /** Version of the UPnP device that it describes itself as; null speaks no UPnP. */
  readonly upnp: 1 | 2 | null;
  /** Spoken on port 5351; the other one's packets are lost. */
  readonly portControl: 'nat-pmp' | 'pcp' | 'both' | null;
}

/** The version that each packet on port 5351 begins with. */
const VERSION_LOST = { 'nat-pmp': 2, pcp: 0, both: null } as const;

/** What a router with miniupnpd and without has in its firewall: inwards only what was mapped. */
const FIREWALL = `
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "rl0" oifname "rw0" accept
    jump miniupnpd
  }
  chain lost { }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "rw0" ct state new drop
    jump lost
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    jump postrouting_miniupnpd
    oifname "rw0" masquerade
  }
}`;

/** False, and the test skipped, where there can be no lab. */
export function requireNatLab(t: TestContext): boolean {
  if (!requireClient(t, 'miniupnpd', 'nft')) return false;
  if (canMakeNamespaces()) return true;
  skip(t, 'needs network namespaces, which only root can make');
  return false;
}

let made = 0;

export class NatLab {
  readonly #name = `swarm-nat-${process.pid}-${made++}`;
  readonly #scope: Scope;
  readonly #folder: string;
  #software: CleanUp | undefined;

  private constructor(scope: Scope, folder: string) {
    this.#scope = scope;
    this.#folder = folder;
  }

  /** Gone, with every process in it, when the scope ends. */
  static async create(scope: Scope): Promise<NatLab> {
    for (const stale of staleNamespaces(/^swarm-nat-(?<pid>\d+)-/)) removeNamespace(stale);
    const lab = new NatLab(scope, await temporaryFolder(scope));
    scope.after(async () => {
      await lab.stopRouter();
      for (const side of ['lan', 'rtr', 'wan'] as const) removeNamespace(lab.#namespace(side));
    });
    lab.#build();
    return lab;
  }

  /** Starts a program on a side; it is killed when the scope ends. */
  start(side: 'lan' | 'rtr' | 'wan', command: string, ...args: readonly string[]): RunningClient {
    return startClient(this.#scope, 'ip', ['netns', 'exec', this.#namespace(side), command, ...args]);
  }

  /** Starts miniupnpd on the router, with nothing mapped. */
  async startRouter({ upnp, portControl }: RouterSoftware): Promise<void> {
    const lost = portControl === null ? null : VERSION_LOST[portControl];
    this.#nft('flush chain inet filter lost');
    if (lost !== null) this.#nft(`add rule inet filter lost udp dport 5351 @th,64,8 ${lost} drop`);
    const config = join(this.#folder, 'miniupnpd.conf');
    const lines = [
      'ext_ifname=rw0',
      'listening_ip=rl0',
      'ipv6_disable=yes',
      `enable_upnp=${upnp === null ? 'no' : 'yes'}`,
      `enable_natpmp=${portControl === null ? 'no' : 'yes'}`,
      `force_igd_desc_v1=${upnp === 1 ? 'yes' : 'no'}`,
      'secure_mode=yes',
      'min_lifetime=120',
      'max_lifetime=86400',
      'http_port=5000',
      'uuid=6d1f4e0a-5d3e-4b87-9c6e-0a1b2c3d4e5f',
      'allow 1024-65535 192.168.77.0/24 1024-65535',
      'deny 0-65535 0.0.0.0/0 0-65535',
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    this.#software = new CleanUp();
    const args = ['-d', '-v', '-f', config, '-P', join(this.#folder, 'miniupnpd.pid')];
    const inRouter = ['netns', 'exec', this.#namespace('rtr'), 'miniupnpd', ...args];
    const router = startClient(this.#software, 'ip', inRouter);
    await router.printed(upnp === null ? /Listening for NAT-PMP/ : /HTTP listening on port/);
  }

  /** As a loss of power does: it says no goodbye, and all mappings are gone. */
  async stopRouter(): Promise<void> {
    await this.#software?.run();
    this.#software = undefined;
    for (const chain of ['miniupnpd', 'prerouting_miniupnpd', 'postrouting_miniupnpd'])
      this.#nft(`flush chain inet filter ${chain}`);
  }

  /** Gives the LAN host an address that leads out of the LAN in the routes only. */
  addPrivateIPv6(host: string): void {
    const lan = this.#namespace('lan');
    ip('-n', lan, 'addr', 'add', `${host}/64`, 'dev', 'lan0', 'nodad');
    ip('-n', lan, '-6', 'route', 'add', 'default', 'dev', 'lan0');
  }

  /** Takes the LAN host's way to the router. */
  removeDefaultRoute(): void {
    ip('-n', this.#namespace('lan'), 'route', 'del', 'default');
  }

  /** External ports that the router forwards now. */
  forwarded(): number {
    const list = this.#nft('list chain inet filter prerouting_miniupnpd');
    return list.split('\n').filter((line) => line.includes('dnat')).length;
  }

  #namespace(side: 'lan' | 'rtr' | 'wan'): string {
    return `${this.#name}-${side}`;
  }

  #build(): void {
    const [lan, rtr, wan] = (['lan', 'rtr', 'wan'] as const).map((side) => this.#namespace(side));
    for (const namespace of [lan!, rtr!, wan!]) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'lan0', 'netns', lan!, 'type', 'veth', 'peer', 'name', 'rl0', 'netns', rtr!);
    ip('link', 'add', 'wan0', 'netns', wan!, 'type', 'veth', 'peer', 'name', 'rw0', 'netns', rtr!);
    const addresses = [
      [lan!, 'lan0', LAB.lanHost],
      [rtr!, 'rl0', LAB.gateway],
      [rtr!, 'rw0', LAB.externalHost],
      [wan!, 'wan0', LAB.wanHost],
    ] as const;
    for (const [namespace, device, host] of addresses) {
      ip('-n', namespace, 'addr', 'add', `${host}/24`, 'dev', device);
      ip('-n', namespace, 'link', 'set', device, 'up');
    }
    ip('-n', lan!, 'route', 'add', 'default', 'via', LAB.gateway);
    // Answers to searches stay on the inside.
    ip('-n', rtr!, 'route', 'add', '239.0.0.0/8', 'dev', 'rl0');
    this.#inRouter(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    this.#nft(FIREWALL);
  }

  #nft(script: string): string {
    return this.#inRouter(['nft', '-f', '-'], `${script}\n`);
  }

  #inRouter(command: readonly string[], input = ''): string {
    const args = ['netns', 'exec', this.#namespace('rtr'), ...command];
    const { status, stdout, stderr } = spawnSync('ip', args, { input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr.trim()}`);
    return stdout;
  }
}
