/**
 * Port mapper: keeps a router forwarding our ports. Finds the router and a protocol that it speaks, renews at half of
 * the lease, maps anew when the router forgets or the network changes, and takes the mappings away at the end.
 */
import type { Clock, Rng, TimerHandle } from '../../ports.js';
import { NO_PORT_MAPPING, type PortMapping, type PortMappingSnapshot } from '../../snapshot.js';
import { asMillis, type MappingFailure, type Millis, NEVER } from '../../units.js';
import { type ListenToGateway, listenToGateway } from './announcements.js';
import { failureOf } from './failure.js';
import type { MappingClient, MappingWish } from './mapping-client.js';
import { LEASE_SECONDS, type Mapped, mapAll, type Ports, raceToMap } from './mapping-race.js';
import { NatPmpClient } from './nat-pmp-client.js';
import { GATEWAY_PORT } from './nat-pmp-packets.js';
import { PcpClient } from './pcp-client.js';
import { type FindRoute, type Route, systemRoute } from './route.js';
import { UpnpClient } from './upnp-client.js';
import { type SearchRouters, searchRouters } from './upnp-search.js';

export interface PortMapperOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  /** Unpredictable to others. */
  readonly secretBytes: (length: number) => Uint8Array;
  /** Stand-ins for the machine and its network, for tests. */
  readonly findRoute?: FindRoute;
  readonly searchRouters?: SearchRouters;
  readonly listenToGateway?: ListenToGateway;
  readonly gatewayPort?: number;
}

/** How often we look whether the machine's own network has changed; no packet is sent for it. */
const LOOK_MS = 30_000;
/** How often the router is asked whether it still knows us: it may have restarted. */
const ASK_MS = 120_000;
/** However short a lease is. */
const MIN_RENEW_MS = 30_000;
/** After a failure, doubling up to `MAX_RETRY_MS`. */
const FIRST_RETRY_MS = 15_000;
const MAX_RETRY_MS = 900_000;
/** Anybody on the network can say that the router has restarted: how often that makes us ask. */
const HINT_MS = 10_000;
/** A router that is on answers within milliseconds; nobody waits longer for one on the way out. */
const GOODBYE_MS = 1_000;

interface Session extends Mapped {
  readonly route: Route;
}

export class PortMapper {
  /** The snapshot differs from the last one. */
  onChange: () => void = () => {};
  readonly #options: PortMapperOptions;
  readonly #clock: Clock;
  readonly #ending = new AbortController();
  #ports: Ports = [];
  #snapshot = NO_PORT_MAPPING;
  #session: Session | undefined;
  /** Where the last search was. */
  #route: Route | undefined;
  #renewAt: Millis = NEVER;
  #askAt: Millis = NEVER;
  #searchAt: Millis = asMillis(0);
  #retryMs = FIRST_RETRY_MS;
  #hintAt: Millis = asMillis(Number.NEGATIVE_INFINITY);
  #timer: TimerHandle | undefined;
  #turn: Promise<void> | undefined;
  #stopListening: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: PortMapperOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Once. Returns at once; what comes of it is told by `onChange`. Ports are those that we listen on. */
  start({ tcp, udp }: { readonly tcp?: number | null; readonly udp?: number | null }): void {
    if (this.#ports.length > 0 || this.#closed !== undefined) return;
    this.#ports = [...(tcp ? ([['tcp', tcp]] as const) : []), ...(udp ? ([['udp', udp]] as const) : [])];
    if (this.#ports.length === 0) return;
    this.#show({ ...NO_PORT_MAPPING, state: 'searching' });
    this.#go();
  }

  snapshot(): PortMappingSnapshot {
    return this.#snapshot;
  }

  /** Resolves when what is being asked now, if anything, is answered or given up: at most some seconds. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  /** Takes the mappings away, for which it waits `withinMs` at most. Idempotent. */
  close(withinMs = GOODBYE_MS): Promise<void> {
    this.#closed ??= this.#close(withinMs);
    return this.#closed;
  }

  /** Closes without a packet: what was mapped stays until its lease is over. */
  abandon(): void {
    this.#session?.client.close();
    this.#session = undefined;
    void this.close(0);
  }

  async #close(withinMs: number): Promise<void> {
    this.#timer?.cancel();
    this.#stopListening?.();
    this.#ending.abort(new Error('the port mapper is closed'));
    await this.#turn;
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    const { client, mappings } = session;
    const late = new AbortController();
    const timer = this.#clock.schedule(asMillis(this.#clock.now() + withinMs), () => late.abort());
    await Promise.allSettled(mappings.map((mapping) => client.unmap(mapping, late.signal)));
    timer.cancel();
    client.close();
  }

  /** One turn at a time: each ends by setting the timer for the next. */
  #go(): void {
    this.#timer?.cancel();
    if (this.#turn !== undefined || this.#closed !== undefined) return;
    this.#turn = this.#takeTurn()
      .catch((error) => {
        if (!this.#ending.signal.aborted) this.#fail(failureOf(error));
      })
      .finally(() => {
        this.#turn = undefined;
        const at = Math.min(
          this.#clock.now() + LOOK_MS,
          ...(this.#session === undefined ? [this.#searchAt] : [this.#renewAt, this.#askAt]),
        );
        if (this.#closed === undefined) this.#timer = this.#clock.schedule(asMillis(at), () => this.#go());
      });
  }

  async #takeTurn(): Promise<void> {
    const route = await (this.#options.findRoute ?? systemRoute)();
    if (!sameRoute(route, this.#route)) this.#move(route);
    if (route === undefined) {
      this.#fail({ failure: 'no-gateway', message: 'this machine has no default route over IPv4' });
    } else if (this.#session === undefined) {
      if (this.#clock.now() >= this.#searchAt) await this.#search(route);
    } else {
      await this.#keep(this.#session);
    }
  }

  /** What was mapped belongs to another network, whose router we may no longer reach. */
  #move(route: Route | undefined): void {
    this.#session?.client.close();
    this.#session = undefined;
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#route = route;
    this.#retryMs = FIRST_RETRY_MS;
    this.#searchAt = this.#clock.now();
    if (route?.gateway == null) return;
    const listen = this.#options.listenToGateway ?? listenToGateway;
    this.#stopListening = listen(route.localHost, (from) => {
      if (from === route.gateway) this.#hint();
    });
  }

  /** The router may have restarted. What is heard while a hint waits for its turn says nothing new. */
  #hint(): void {
    const now = this.#clock.now();
    if (this.#closed !== undefined || this.#hintAt > now || this.#askAt <= now) return;
    const at = asMillis(Math.max(now, this.#hintAt + HINT_MS));
    this.#hintAt = at;
    this.#askAt = at;
    this.#searchAt = at;
    this.#timer?.cancel();
    // During a turn, the end of it looks at the times.
    if (this.#turn === undefined) this.#timer = this.#clock.schedule(at, () => this.#go());
  }

  async #search(route: Route): Promise<void> {
    this.#searchAt = NEVER;
    this.#askAt = NEVER;
    const clients = this.#clientsFor(route);
    const outcome = await raceToMap(clients, this.#ports, this.#ending.signal);
    if ('client' in outcome) this.#take(outcome, route);
    else if (outcome.failure === 'no-answer' && route.gateway !== null)
      this.#fail({
        ...outcome,
        message: `the router ${route.gateway} answers neither UPnP nor NAT-PMP nor PCP`,
      });
    else this.#fail(outcome);
  }

  async #keep(session: Session): Promise<void> {
    const { client, mappings, route } = session;
    const { signal } = this.#ending;
    const now = this.#clock.now();
    let { externalHost } = session;
    try {
      if (now < this.#renewAt) {
        const [first] = mappings;
        if (now < this.#askAt || first === undefined) return;
        this.#askAt = asMillis(now + ASK_MS);
        const { kept, externalHost: host } = await client.check(wishFor(first), signal);
        externalHost = host ?? externalHost;
        if (kept) {
          this.#session = { ...session, externalHost };
          this.#showSession(this.#session);
          return;
        }
      }
      this.#take(await mapAll(client, this.#ports, externalHost, signal, mappings), route);
    } catch {
      signal.throwIfAborted();
      // It may have lost its mappings, speak otherwise now, or be gone.
      client.close();
      this.#session = undefined;
      await this.#search(route);
    }
  }

  #take(mapped: Mapped, route: Route): void {
    const now = this.#clock.now();
    const leases = mapped.mappings.map(({ leaseSeconds }) => leaseSeconds || LEASE_SECONDS);
    const renewMs = (Math.min(...leases, LEASE_SECONDS) * 1000) / 2;
    this.#session = { ...mapped, route };
    this.#renewAt = asMillis(now + Math.max(renewMs, MIN_RENEW_MS));
    this.#askAt = asMillis(now + ASK_MS);
    this.#retryMs = FIRST_RETRY_MS;
    this.#showSession(this.#session);
  }

  #fail({ failure, message }: { readonly failure: MappingFailure; readonly message: string }): void {
    this.#searchAt = asMillis(this.#clock.now() + this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
    const { gateway = null, localHost = null } = this.#route ?? {};
    this.#show({ ...NO_PORT_MAPPING, state: 'failed', gateway, localHost, failure, message });
  }

  #showSession({ client, route, externalHost, mappings, message }: Session): void {
    const { protocol, gateway } = client;
    const { localHost } = route;
    this.#show({
      ...{ state: 'mapped', protocol, gateway, localHost, externalHost, mappings, message },
      failure: null,
    });
  }

  #show(snapshot: PortMappingSnapshot): void {
    if (JSON.stringify(snapshot) === JSON.stringify(this.#snapshot)) return;
    this.#snapshot = snapshot;
    this.onChange();
  }

  #clientsFor(route: Route): readonly MappingClient[] {
    const { clock, rng, secretBytes, gatewayPort = GATEWAY_PORT } = this.#options;
    const upnp = new UpnpClient(route, clock, rng, this.#options.searchRouters ?? searchRouters);
    const { gateway: host, localHost, binding } = route;
    if (host === null) return [upnp];
    const address = { host, port: gatewayPort, localHost, binding };
    return [new PcpClient(address, clock, secretBytes), new NatPmpClient(address, clock), upnp];
  }
}

const wishFor = (mapping: PortMapping): MappingWish => ({ ...mapping });

const sameRoute = (a: Route | undefined, b: Route | undefined): boolean =>
  a?.gateway === b?.gateway && a?.localHost === b?.localHost;
