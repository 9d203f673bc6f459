/**
 * Outside: how the world reaches this engine. What the router forwards to us, our address as others see it, whether
 * anybody came; and from all of that, what to tell the user.
 */

import { type SocketBinding, sourceOf } from './egress/socket-binding.js';
import { ownInterfaces } from './own-interfaces.js';
import { addressKind } from './policy/ip-address.js';
import { type Reachability, reachability, SeenAs } from './policy/reachability.js';
import type { Clock, Rng, TimerHandle } from './ports.js';
import type { PortMapper } from './reach/mapping/port-mapper.js';
import { NO_PORT_MAPPING, type PortMappingSnapshot } from './snapshot.js';
import { asMillis, type Millis } from './units.js';

export interface OutsideOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly secretBytes: (length: number) => Uint8Array;
  /** Ask the router to forward our ports. */
  readonly portMapping: boolean;
  /** The user chose the port that we take connections on. */
  readonly portGiven: boolean;
  /** Everything goes through a proxy. */
  readonly proxied: boolean;
  /** Everything that the router is asked leaves by it, and only its addresses are ours. Undefined: those of all interfaces. */
  readonly binding?: SocketBinding;
  /** The router forwards now, or does no more. */
  readonly onChange: (mapping: PortMappingSnapshot) => void;
}

export interface Listening {
  readonly host: string;
  readonly tcpPort: number;
  /** Undefined: no UDP. */
  readonly udpPort: number | undefined;
}

/** A short download is over before a mapping would matter, and should not wait to take it away. */
const MAP_AFTER_MS = 1_500;
const INTERFACES_FOR_MS = 10_000;
const FAMILIES = [4, 6] as const;

export class Outside {
  readonly #options: OutsideOptions;
  readonly #seenAs = new SeenAs();
  #listening: Listening | undefined;
  #mapper: PortMapper | undefined;
  #timer: TimerHandle | undefined;
  #isClosed = false;
  #localHost: string | null = null;
  #incomingFromOutside = 0;
  #interfaces: { readonly hosts: readonly string[]; readonly until: Millis } | undefined;

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  /** We take connections from now on; only where others could come from is the router asked. */
  start(listening: Listening): void {
    this.#listening = listening;
    const { clock, portMapping } = this.#options;
    if (!portMapping || addressKind(listening.host) === 'loopback') return;
    this.#timer = clock.schedule(asMillis(clock.now() + MAP_AFTER_MS), () => void this.#map(listening));
  }

  /** The way out is gone: what the router has for us is left there, as nothing may be sent. `start` may follow. */
  lose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listening = undefined;
    this.#mapper?.abandon();
    this.#mapper = undefined;
    this.#seenAs.clear();
  }

  /** The port by which the world's peers reach us; 0: they do not. */
  get peerPort(): number {
    const mapping = this.#mapping.mappings.find(({ transport }) => transport === 'tcp');
    return mapping?.externalPort ?? this.#listening?.tcpPort ?? 0;
  }

  /** Somebody has connected to us. */
  onIncoming(host: string): void {
    if (addressKind(host) === 'public') this.#incomingFromOutside++;
  }

  /** @param from who says so @param host our address as it sees it */
  onSeenAs(from: string, host: string): void {
    this.#seenAs.tell(from, host);
  }

  /** Our address as others see it; null while not enough of them agree. */
  externalHost(family: 4 | 6): string | null {
    return this.#seenAs.agreed(family);
  }

  snapshot(): { readonly portMapping: PortMappingSnapshot; readonly reachability: Reachability } {
    const portMapping = this.#mapping;
    const hosts = this.#interfaceHosts();
    return {
      portMapping,
      reachability: reachability({
        listenHost: this.#listening?.host ?? null,
        portGiven: this.#options.portGiven,
        proxied: this.#options.proxied,
        interfaceHosts: hosts,
        isAway: this.#options.binding !== undefined && hosts.length === 0,
        mapping: portMapping,
        incomingFromOutside: this.#incomingFromOutside,
        seenAs: this.#seenAs.agreed(4),
      }),
    };
  }

  /** Nobody on the Internet can connect to us, for all we know. */
  get isUnreachable(): boolean {
    return this.snapshot().reachability.state === 'outgoing only';
  }

  /** Takes the mappings away, within a second. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#mapper?.close();
  }

  get #mapping(): PortMappingSnapshot {
    return (
      this.#mapper?.snapshot() ??
      (this.#timer === undefined ? NO_PORT_MAPPING : { ...NO_PORT_MAPPING, state: 'searching' })
    );
  }

  /** Loaded when it is needed: the UPnP client alone takes as long to load as the rest of the engine. */
  async #map(listening: Listening): Promise<void> {
    const { tcpPort, udpPort } = listening;
    const { PortMapper } = await import('./reach/mapping/port-mapper.js');
    const { routeFrom, systemRoute } = await import('./reach/mapping/route.js');
    if (this.#isClosed || listening !== this.#listening) return;
    const { clock, rng, secretBytes, onChange, binding } = this.#options;
    const findRoute = binding === undefined ? systemRoute : () => routeFrom(binding);
    const mapper = new PortMapper({ clock, rng, secretBytes, findRoute });
    this.#mapper = mapper;
    mapper.onChange = () => {
      const mapping = mapper.snapshot();
      // Another network: what others said is about another address.
      if (mapping.localHost !== this.#localHost) this.#seenAs.clear();
      this.#localHost = mapping.localHost;
      onChange(mapping);
    };
    mapper.start({ tcp: tcpPort, udp: udpPort ?? null });
  }

  #interfaceHosts(): readonly string[] {
    const { binding } = this.#options;
    if (binding !== undefined) return FAMILIES.flatMap((family) => sourceOf(binding, family)?.host ?? []);
    const now = this.#options.clock.now();
    if (this.#interfaces === undefined || now >= this.#interfaces.until) {
      const all = Object.values(ownInterfaces()).flatMap((addresses) => addresses ?? []);
      const hosts = all.filter(({ internal }) => !internal).map(({ address }) => address);
      this.#interfaces = { hosts, until: asMillis(now + INTERFACES_FOR_MS) };
    }
    return this.#interfaces.hosts;
  }
}
