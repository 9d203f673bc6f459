/**
 * Local binding: the addresses of one interface, or one address, that every socket of the engine is bound to. Watches
 * that they are there and that packets from them leave by their interface; otherwise nothing may be sent at all.
 */
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { canPin } from '../egress/bound-sockets.js';
import type { BindingHolder, SocketBinding, Source } from '../egress/socket-binding.js';
import { SwarmError } from '../errors.js';
import { type Interfaces, ownInterfaces } from '../own-interfaces.js';
import { addressKind, canonicalHost } from '../policy/ip-address.js';
import type { Clock, TimerHandle } from '../ports.js';
import type { BindingSnapshot } from '../snapshot.js';
import { asMillis, type Millis } from '../units.js';
import { type LeadsOut, systemLeadsOut } from './way-out.js';

export interface LocalBindingOptions {
  /** Name of an interface, or an address of one. */
  readonly target: string;
  readonly clock: Clock;
  /** Stand-ins for the machine, for tests. */
  readonly interfaces?: () => Interfaces;
  readonly leadsOut?: LeadsOut;
  readonly canPin?: (device: string) => Promise<boolean>;
}

/** How long packets may go astray at worst where an interface goes down and keeps its address. A look costs 0.1 ms. */
export const LOOK_MS = 100;
/** Routes change without a change of addresses; asking starts processes. */
const ROUTE_MS = 5_000;
const FAMILIES = [4, 6] as const;

/** What is there while it is there. */
interface Place {
  /** Name of the interface. */
  readonly device: string;
  readonly hosts: { readonly 4?: string; readonly 6?: string };
  /** Sockets stay with the interface, whatever the routes say. */
  readonly pinned: boolean;
  /** Where they do not: whether packets to the Internet leave by it. */
  readonly leadsOut: { readonly 4: boolean; readonly 6: boolean };
  /** Number of the interface: another one of the same name has another. Empty where the system does not tell. */
  readonly index: string;
  /** Networks that the interface is in. */
  readonly own: BlockList;
  /** Those of the other interfaces: what goes there leaves by them. */
  readonly others: BlockList;
  /** Changes when any of it may have. */
  readonly signature: string;
}

/** What a look sees, ten times a second: no more than tells whether anything has changed. */
type Seen = Pick<Place, 'device' | 'hosts' | 'index' | 'signature'> & { readonly all: Interfaces };

/** Why nothing can be sent, and what would change that. */
interface Missing {
  readonly why: string;
  readonly advice: string;
}

export class LocalBinding implements SocketBinding {
  /** Told after the holders. */
  onLost: (why: string) => void = () => {};
  onBack: () => void = () => {};
  readonly #options: Required<LocalBindingOptions>;
  readonly #holders = new Set<BindingHolder>();
  #place: Place | undefined;
  #lastHosts: Place['hosts'] = {};
  #families: readonly (4 | 6)[] = [];
  #why = '';
  #timer: TimerHandle | undefined;
  #routeAt: Millis = asMillis(0);
  #asking = false;
  #isClosed = false;

  private constructor(options: LocalBindingOptions) {
    this.#options = { interfaces: networkInterfaces, leadsOut: systemLeadsOut, canPin, ...options };
  }

  /** @throws SwarmError ADDRESS_UNAVAILABLE when the interface is down or not there */
  static async open(options: LocalBindingOptions): Promise<LocalBinding> {
    const binding = new LocalBinding(options);
    const seen = binding.#see();
    if ('why' in seen) {
      const names = Object.keys(ownInterfaces(binding.#options.interfaces));
      const there =
        names.length === 0 ? '' : `: there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
      throw new SwarmError(
        'ADDRESS_UNAVAILABLE',
        `cannot bind to ${options.target}: ${seen.why}`,
        { target: options.target },
        { hint: `Nothing is sent any other way. ${seen.advice}, or choose another one with --bind${there}.` },
      );
    }
    binding.#place = await binding.#ask(seen);
    binding.#lastHosts = seen.hosts;
    binding.#families = FAMILIES.filter((family) => seen.hosts[family] !== undefined);
    binding.#arm();
    return binding;
  }

  /** Those that there were addresses of at the beginning. */
  get families(): readonly (4 | 6)[] {
    return this.#families;
  }

  /** Interface, while it is there. */
  get device(): string | undefined {
    return this.#place?.device;
  }

  source(family: 4 | 6): Source {
    const { hosts, device, pinned } = this.#mustBeThere();
    const host = hosts[family];
    if (host !== undefined) return { host, device, pinned };
    throw this.#refusal(`${this.#options.target} has no IPv${family} address`);
  }

  /** Of both families, as far as there are. */
  sources(): readonly Source[] {
    const place = this.#place;
    if (place === undefined) return [];
    return FAMILIES.filter((family) => place.hosts[family] !== undefined).map((family) =>
      this.source(family),
    );
  }

  sourceFor(host: string): Source {
    const [plain = ''] = host.split('%');
    const family = isIP(plain);
    if (family !== 4 && family !== 6) throw this.#refusal(`not an address: ${host}`);
    const source = this.source(family);
    const { own, others, leadsOut, device, pinned } = this.#mustBeThere();
    const type = family === 4 ? 'ipv4' : 'ipv6';
    const isLinkLocal = isLinkLocal6(plain);
    if (isLinkLocal ? host.endsWith(`%${device}`) : pinned || !others.check(plain, type)) {
      if (isLinkLocal || pinned || leadsOut[family] || own.check(plain, type)) return source;
    }
    throw this.#refusal(`${host} is not reached by ${this.#options.target}`);
  }

  hold(holder: BindingHolder): () => void {
    this.#holders.add(holder);
    return () => this.#holders.delete(holder);
  }

  snapshot(): BindingSnapshot {
    const { target } = this.#options;
    const hosts = FAMILIES.flatMap((family) => this.#place?.hosts[family] ?? []);
    const state = this.#place === undefined ? 'lost' : 'bound';
    return { target, state, hosts, pinned: this.#place?.pinned ?? false, message: this.#why };
  }

  /** Stops watching. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#holders.clear();
  }

  #arm(): void {
    const { clock } = this.#options;
    if (this.#isClosed) return;
    this.#timer = clock.schedule(asMillis(clock.now() + LOOK_MS), () => {
      this.#look();
      this.#arm();
    });
  }

  #look(): void {
    const now = this.#options.clock.now();
    const seen = this.#see();
    if ('why' in seen) {
      this.#lose(seen.why);
      return;
    }
    const place = this.#place;
    if (place !== undefined && !sameHosts(place, seen)) this.#lose('its addresses have changed');
    if (this.#asking || (seen.signature === place?.signature && now < this.#routeAt)) return;
    this.#asking = true;
    void this.#ask(seen).then((found) => {
      this.#asking = false;
      if (this.#isClosed) return;
      this.#take(found);
    });
  }

  #take(found: Place): void {
    const latest = this.#see();
    // It went while we asked.
    if ('why' in latest || latest.signature !== found.signature) return;
    const before = this.#place;
    const narrower =
      before !== undefined && !found.pinned && FAMILIES.some((f) => before.leadsOut[f] && !found.leadsOut[f]);
    if (narrower) this.#lose(`the way out does not lead over ${found.device} any more`);
    const isBack = this.#place === undefined;
    this.#place = found;
    this.#lastHosts = found.hosts;
    this.#why = '';
    if (!isBack) return;
    for (const holder of [...this.#holders]) holder.onBack?.();
    this.onBack();
  }

  #lose(why: string): void {
    if (this.#place === undefined) return;
    this.#place = undefined;
    this.#why = why;
    for (const holder of [...this.#holders]) holder.onLost();
    this.onLost(why);
  }

  #see(): Seen | Missing {
    const { target, interfaces } = this.#options;
    const all = ownInterfaces(interfaces);
    const wanted = canonicalHost(target);
    const isAddress = wanted !== undefined;
    const device = isAddress
      ? Object.keys(all).find((name) => all[name]?.some(({ address }) => address === wanted))
      : target;
    const infos = (device === undefined ? undefined : all[device]) ?? [];
    const chosen = infos.filter(({ address }) => (isAddress ? address === wanted : !isLinkLocal6(address)));
    const hosts4 = this.#pick(4, chosen);
    const hosts6 = this.#pick(6, chosen);
    if (device === undefined || (hosts4 === undefined && hosts6 === undefined))
      return isAddress ? NO_ADDRESS : missing(target, all);
    const index = indexOf(device);
    return {
      device,
      hosts: {
        ...(hosts4 === undefined ? {} : { 4: hosts4 }),
        ...(hosts6 === undefined ? {} : { 6: hosts6 }),
      },
      index,
      signature: `${index} ${JSON.stringify(all)}`,
      all,
    };
  }

  /** Of several the one that we have, as IPv6 addresses come and go by the hour; else one of the Internet's. */
  #pick(family: 4 | 6, infos: readonly NetworkInterfaceInfo[]): string | undefined {
    const hosts = infos.filter((info) => info.family === `IPv${family}`).map(({ address }) => address);
    const last = this.#lastHosts[family];
    if (last !== undefined && hosts.includes(last)) return last;
    return hosts.find((host) => addressKind(host) === 'public') ?? hosts[0];
  }

  async #ask({ all, ...seen }: Seen): Promise<Place> {
    const { clock, leadsOut, canPin } = this.#options;
    const own = networksOf(all[seen.device] ?? []);
    const others = networksOf(
      Object.entries(all).flatMap(([name, each]) => (name === seen.device ? [] : (each ?? []))),
    );
    const place = { ...seen, own, others };
    this.#routeAt = asMillis(clock.now() + ROUTE_MS);
    if (await canPin(seen.device)) return { ...place, pinned: true, leadsOut: { 4: false, 6: false } };
    const ask = async (family: 4 | 6) => {
      const host = seen.hosts[family];
      return host !== undefined && (await leadsOut(family, host, seen.device));
    };
    const [v4, v6] = await Promise.all([ask(4), ask(6)]);
    return { ...place, pinned: false, leadsOut: { 4: v4, 6: v6 } };
  }

  #mustBeThere(): Place {
    if (this.#place !== undefined) return this.#place;
    throw this.#refusal(`nothing is sent while ${this.#options.target} is away: ${this.#why}`);
  }

  #refusal(message: string): SwarmError {
    return new SwarmError('ADDRESS_UNAVAILABLE', message, { target: this.#options.target });
  }
}

const NO_ADDRESS: Missing = { why: 'this machine has no such address', advice: 'Bring it up' };

/** Interfaces without an address are not listed. */
function missing(device: string, all: Interfaces): Missing {
  const isDown = { why: 'the interface is down or has no address', advice: 'Bring it up' };
  const isNone = { why: 'there is no such interface', advice: 'Start what makes it' };
  if (all[device] !== undefined) return isDown;
  if (process.platform === 'linux') return indexOf(device) === '' ? isNone : isDown;
  return { why: `${isNone.why}, or it is down or has no address`, advice: isDown.advice };
}

function indexOf(device: string): string {
  try {
    return process.platform === 'linux' ? readFileSync(`/sys/class/net/${device}/ifindex`, 'latin1') : '';
  } catch {
    return '';
  }
}

const isLinkLocal6 = (host: string): boolean => /^fe[89ab]/i.test(host);

const sameHosts = (a: Omit<Seen, 'all'>, b: Seen): boolean =>
  a.device === b.device &&
  a.index === b.index &&
  FAMILIES.every((family) => a.hosts[family] === b.hosts[family]);

function networksOf(infos: readonly NetworkInterfaceInfo[]): BlockList {
  const list = new BlockList();
  for (const { address, family, cidr } of infos) {
    // A link-local network is on every interface; only its zone tells which.
    if (isLinkLocal6(address)) continue;
    const bits = Number(cidr?.split('/')[1] ?? (family === 'IPv4' ? 32 : 128));
    list.addSubnet(address, bits, family === 'IPv4' ? 'ipv4' : 'ipv6');
  }
  return list;
}
