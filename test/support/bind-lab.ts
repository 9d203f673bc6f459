/**
 * Bind lab: a host with two interfaces, in three network namespaces. Its default route leads over eth0; what is bound
 * to tun0 must never be seen there.
 *
 *   vpn 11.1.0.2 ── 11.1.0.1 tun0 host eth0 11.2.0.1 ── 11.2.0.2 net
 *
 * Both far ends have 11.9.0.1 too, which stands for the Internet. These networks exist only in here. With IPv6, what
 * ends in 11.S.0.N has fd11:S::N too.
 */
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { type RunningClient, requireClient, type Scope, skip, startClient } from './clients.js';
import { canMakeNamespaces, ip, type NetworkSide, removeNamespace, staleNamespaces } from './namespaces.js';

export const BIND_LAB = {
  tunHost: '11.1.0.1',
  vpnHost: '11.1.0.2',
  /** Of tun0's network, and nobody's. */
  silentHost: '11.1.0.77',
  ethHost: '11.2.0.1',
  netHost: '11.2.0.2',
  /** Of both far ends. */
  publicHost: '11.9.0.1',
  tunHost6: 'fd11:1::1',
  vpnHost6: 'fd11:1::2',
  netHost6: 'fd11:2::2',
  publicHost6: 'fd11:9::1',
} as const;

const SIDES = ['host', 'vpn', 'net'] as const;
type Side = (typeof SIDES)[number];

/** Everything that leaves by eth0, neighbour discovery of the kernel's own excepted; what a router is asked by tun0. */
const WATCH = `
table inet watch {
  counter astray { }
  counter search { }
  counter gateway { }
  chain output {
    type filter hook output priority 0; policy accept;
    oifname "eth0" meta l4proto { tcp, udp, icmp, igmp } counter name astray
    oifname "tun0" ip daddr 239.255.255.250 udp dport 1900 counter name search
    oifname "tun0" udp dport 5351 counter name gateway
  }
}`;

export function requireBindLab(t: TestContext): boolean {
  if (!requireClient(t, 'nft')) return false;
  if (canMakeNamespaces()) return true;
  skip(t, 'needs network namespaces, which only root can make');
  return false;
}

let made = 0;

export class BindLab {
  readonly #name = `swarm-bind-${process.pid}-${made++}`;
  readonly #scope: Scope;

  private constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** Gone, with every process in it, when the scope ends. */
  static create(scope: Scope): BindLab {
    for (const stale of staleNamespaces(/^swarm-bind-(?<pid>\d+)-/)) removeNamespace(stale);
    const lab = new BindLab(scope);
    scope.after(() => {
      for (const side of SIDES) removeNamespace(lab.namespace(side));
    });
    lab.#build();
    return lab;
  }

  namespace(side: Side): string {
    return `${this.#name}-${side}`;
  }

  /** For programs that are told where they run. */
  side(side: Side): NetworkSide {
    const hosts = { host: BIND_LAB.tunHost, vpn: BIND_LAB.vpnHost, net: BIND_LAB.netHost };
    return { hosts: [hosts[side]], prefix: ['ip', 'netns', 'exec', this.namespace(side)] };
  }

  start(side: Side, command: string, ...args: readonly string[]): RunningClient {
    return startClient(this.#scope, 'ip', ['netns', 'exec', this.namespace(side), command, ...args]);
  }

  /** `ip …` on the host. */
  ip(...args: readonly string[]): void {
    ip('-n', this.namespace('host'), ...args);
  }

  /** Packets that left by eth0 since the beginning. */
  astray(): number {
    return this.#count('astray');
  }

  /** What left by tun0 to find a router that forwards ports: datagrams of UPnP's search, of NAT-PMP and PCP. */
  routerAsked(): { readonly search: number; readonly gateway: number } {
    return { search: this.#count('search'), gateway: this.#count('gateway') };
  }

  /** Open sockets of the host that may send by another interface than tun0: transport and local address of each. */
  looseSockets(): string[] {
    const args = ['netns', 'exec', this.namespace('host'), 'ss', '-H', '-a', '-n', '-t', '-u'];
    const { stdout } = spawnSync('ip', args, { encoding: 'utf8' });
    return (
      stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => line.trim().split(/\s+/))
        .map(([transport = '', , , , local = '']) => `${transport} ${local}`)
        // What talks to this machine itself leaves by no interface.
        .filter((socket) => !/%tun0:|\b127\.0\.0\.1\]?:/.test(socket))
    );
  }

  #count(counter: 'astray' | 'search' | 'gateway'): number {
    const args = [
      'netns',
      'exec',
      this.namespace('host'),
      'nft',
      'list',
      'counter',
      'inet',
      'watch',
      counter,
    ];
    const { stdout } = spawnSync('ip', args, { encoding: 'utf8' });
    return Number(/packets (\d+)/.exec(stdout)?.[1] ?? Number.NaN);
  }

  /** As a VPN that connects anew: another interface of the same name. */
  makeTun(): void {
    const [host, vpn] = [this.namespace('host'), this.namespace('vpn')];
    ip('link', 'add', 'tun0', 'netns', host, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', vpn);
    for (const [namespace, device, address] of [
      [host, 'tun0', BIND_LAB.tunHost],
      [vpn, 'veth0', BIND_LAB.vpnHost],
    ] as const) {
      ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', device);
      ip('-n', namespace, 'link', 'set', device, 'up');
    }
    ip('-n', vpn, 'route', 'add', 'default', 'via', BIND_LAB.tunHost);
  }

  /** A second default route, which the first one comes before: who looks for a router of tun0's network finds one. */
  addGateway(host: string): void {
    this.ip('route', 'add', 'default', 'via', host, 'dev', 'tun0', 'metric', '500');
  }

  addIpv6(): void {
    const addresses = [
      ['host', 'tun0', `${BIND_LAB.tunHost6}/64`],
      ['host', 'eth0', 'fd11:2::1/64'],
      ['vpn', 'veth0', `${BIND_LAB.vpnHost6}/64`],
      ['net', 'veth0', `${BIND_LAB.netHost6}/64`],
      ['vpn', 'lo', `${BIND_LAB.publicHost6}/128`],
      ['net', 'lo', `${BIND_LAB.publicHost6}/128`],
    ] as const;
    for (const [side, device, address] of addresses)
      ip('-n', this.namespace(side), 'addr', 'add', address, 'dev', device, 'nodad');
    this.ip('-6', 'route', 'add', 'default', 'via', BIND_LAB.netHost6);
    for (const [side, host] of [
      ['vpn', BIND_LAB.tunHost6],
      ['net', 'fd11:2::1'],
    ] as const)
      ip('-n', this.namespace(side), '-6', 'route', 'add', 'default', 'via', host);
  }

  #build(): void {
    const [host, vpn, net] = SIDES.map((side) => this.namespace(side)) as [string, string, string];
    for (const namespace of [host, vpn, net]) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'eth0', 'netns', host, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', net);
    const addresses = [
      [host, 'eth0', `${BIND_LAB.ethHost}/24`],
      [net, 'veth0', `${BIND_LAB.netHost}/24`],
      [vpn, 'lo', `${BIND_LAB.publicHost}/32`],
      [net, 'lo', `${BIND_LAB.publicHost}/32`],
    ] as const;
    for (const [namespace, device, address] of addresses) {
      ip('-n', namespace, 'addr', 'add', address, 'dev', device);
      ip('-n', namespace, 'link', 'set', device, 'up');
    }
    this.makeTun();
    ip('-n', host, 'route', 'add', 'default', 'via', BIND_LAB.netHost);
    // So that whatever comes astray could be answered.
    ip('-n', net, 'route', 'add', 'default', 'via', BIND_LAB.ethHost);
    const { status, stderr } = spawnSync('ip', ['netns', 'exec', host, 'nft', '-f', '-'], {
      input: WATCH,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`nft: ${stderr}`);
  }
}
