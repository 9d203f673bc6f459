/**
 * UPnP client: nat-upnp's client and devices, versions 1 and 2 of the gateway device, with everything that talks to
 * the router replaced: the package's own HTTP and XML parts are never called.
 */
import type { Callback, Client, Device, NatUpnp } from 'nat-upnp';
import type { Clock, Rng } from '../../ports.js';
import type { Transport } from '../../units.js';
import { failureOf, mappingError, mostTelling } from './failure.js';
import { askOverHttp } from './gateway-http.js';
import { outerHost } from './granted.js';
import type { GrantedMapping, MappingCheck, MappingClient, MappingWish } from './mapping-client.js';
import type { Route } from './route.js';
import {
  type ForwardingService,
  forwardingService,
  soapAnswer,
  soapRequest,
  UPNP,
} from './upnp-documents.js';
import { guardSearch, type SearchRouters, searchRouters } from './upnp-search.js';

/** What the router's own pages call the mapping. */
const DESCRIPTION = 'swarm';
/** External ports that are tried before the router is believed to have none. */
const MAX_ATTEMPTS = 6;
const FIRST_OTHER_PORT = 20_000;
const OTHER_PORTS = 40_000;

/** A device of the package, talked to by us. */
interface Router {
  readonly host: string;
  readonly device: Device;
}

export class UpnpClient implements MappingClient {
  readonly protocol = 'upnp';
  readonly #route: Route;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #search: SearchRouters;
  readonly #lifetime = new AbortController();
  #client: Client | undefined;
  #router: Router | undefined;

  constructor(route: Route, clock: Clock, rng: Rng, search: SearchRouters = searchRouters) {
    this.#route = route;
    this.#clock = clock;
    this.#rng = rng;
    this.#search = search;
  }

  get gateway(): string | null {
    return this.#router?.host ?? null;
  }

  async probe(signal: AbortSignal): Promise<string | null> {
    // It takes a quarter of a second to load, which nobody waits for who maps nothing.
    const { default: natUpnp } = await import('nat-upnp');
    signal.throwIfAborted();
    const client = natUpnp.createClient();
    const closeSockets = guardSearch(client, this.#route);
    try {
      const locations = await this.#search(client, this.#route, this.#clock, signal);
      const faults: unknown[] = [];
      for (const location of locations) {
        try {
          return await this.#tryRouter(client, this.#deviceAt(natUpnp, location), location, signal);
        } catch (error) {
          faults.push(error);
        }
      }
      signal.throwIfAborted();
      const { failure, message } = mostTelling(faults);
      throw mappingError(failure, message);
    } finally {
      closeSockets();
    }
  }

  async map(wish: MappingWish, signal: AbortSignal): Promise<GrantedMapping> {
    let { externalPort, leaseSeconds } = wish;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#assertFree(wish, externalPort, signal);
        await this.#add({ ...wish, externalPort, leaseSeconds }, signal);
        return { externalPort, leaseSeconds, externalHost: null };
      } catch (error) {
        const { result } = failureOf(error);
        if (attempt === MAX_ATTEMPTS) throw error;
        if (result === UPNP.onlyPermanent && leaseSeconds > 0) leaseSeconds = 0;
        else if (result === UPNP.conflict)
          externalPort = FIRST_OTHER_PORT + Math.floor(this.#rng() * OTHER_PORTS);
        else throw error;
      }
    }
  }

  /** Leaves what is known to be another host's. */
  async unmap({ transport, externalPort }: MappingWish, signal: AbortSignal): Promise<void> {
    const holder = await this.#holder(transport, externalPort, signal).catch((error) => {
      if (failureOf(error).failure !== 'refused') throw error;
      return { host: this.#route.localHost }; // it does not tell
    });
    if (holder?.host !== this.#route.localHost) return;
    await this.#call(
      (client, done) => client.portUnmapping({ public: externalPort, protocol: transport }, done),
      signal,
    );
  }

  async check(
    { transport, internalPort, externalPort }: MappingWish,
    signal: AbortSignal,
  ): Promise<MappingCheck> {
    const externalHost = await this.#externalHost(signal);
    try {
      const holder = await this.#holder(transport, externalPort, signal);
      return { kept: holder?.host === this.#route.localHost && holder.port === internalPort, externalHost };
    } catch (error) {
      // It answers, only not this.
      if (failureOf(error).failure === 'refused') return { kept: true, externalHost };
      throw error;
    }
  }

  close(): void {
    this.#lifetime.abort(mappingError('no-answer', 'closed'));
    this.#client = undefined;
  }

  async #tryRouter(
    client: Client,
    device: Device,
    location: URL,
    signal: AbortSignal,
  ): Promise<string | null> {
    client.findGateway = (callback) => callback(null, device, this.#route.localHost);
    this.#client = client;
    const external = await this.#externalHost(signal);
    this.#router = { host: location.hostname, device };
    return external;
  }

  async #externalHost(signal: AbortSignal): Promise<string | null> {
    return outerHost(await this.#call<unknown>((client, done) => client.externalIp(done), signal));
  }

  #add({ transport, internalPort, externalPort, leaseSeconds }: MappingWish, signal: AbortSignal) {
    const options = {
      public: externalPort,
      private: { host: this.#route.localHost, port: internalPort },
      protocol: transport,
      ttl: leaseSeconds,
      description: DESCRIPTION,
    };
    return this.#call((client, done) => client.portMapping(options, done), signal);
  }

  /** Some routers overwrite what others have. @throws SwarmError ADDRESS_NOT_MAPPED as the router would */
  async #assertFree({ transport, internalPort }: MappingWish, externalPort: number, signal: AbortSignal) {
    const holder = await this.#holder(transport, externalPort, signal).catch((error) => {
      if (failureOf(error).failure !== 'refused') throw error;
      return undefined; // it does not tell
    });
    if (holder === undefined) return;
    if (holder.host === this.#route.localHost && holder.port === internalPort) return;
    throw mappingError('refused', `port ${externalPort} is forwarded to another host`, {
      result: UPNP.conflict,
    });
  }

  /** To whom the router forwards a port. */
  async #holder(transport: Transport, externalPort: number, signal: AbortSignal) {
    const device = this.#router?.device;
    if (device === undefined) throw mappingError('no-answer', 'no router was found by UPnP');
    try {
      const args = [
        ['NewRemoteHost', ''],
        ['NewExternalPort', externalPort],
        ['NewProtocol', transport.toUpperCase()],
      ] as const;
      const action = 'GetSpecificPortMappingEntry';
      const answer = await this.#call<Record<string, unknown>>(
        (_client, done) => device.run(action, args, done),
        signal,
      );
      const fields = answer?.[`u:${action}Response`] as Record<string, string> | undefined;
      return { host: fields?.NewInternalClient, port: Number(fields?.NewInternalPort) };
    } catch (error) {
      if (failureOf(error).result === UPNP.noSuchEntry) return undefined;
      throw error;
    }
  }

  #call<T>(start: (client: Client, done: Callback<T>) => void, signal: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#client === undefined) throw mappingError('no-answer', 'no router was found by UPnP');
      const abort = (): void => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      start(this.#client, (error, value) => {
        signal.removeEventListener('abort', abort);
        if (error) reject(error);
        else resolve(value);
      });
    });
  }

  /** The package's device, which finds its service and is asked by our own means. */
  #deviceAt(natUpnp: NatUpnp, location: URL): Device {
    const device = natUpnp.device.create(location.href);
    let service: Promise<ForwardingService> | undefined;
    const findService = () => {
      service ??= this.#describe(location);
      return service;
    };
    device.getService = (_types, callback) => {
      findService().then(
        ({ type, controlUrl }) =>
          callback(null, { service: type, controlURL: controlUrl.href, SCPDURL: location.href }),
        callback,
      );
    };
    device.run = (action, args, callback) => {
      findService()
        .then((found) => this.#run(found, action, args))
        .then((answer) => callback(null, answer), callback);
    };
    return device;
  }

  async #describe(location: URL): Promise<ForwardingService> {
    const { status, text } = await this.#ask(location);
    if (status !== 200)
      throw mappingError('bad-answer', `the router does not describe itself (HTTP ${status})`);
    return forwardingService(text, location);
  }

  /** In the shape that the package expects. */
  async #run(
    { type, controlUrl }: ForwardingService,
    action: string,
    args: readonly (readonly [string, unknown])[],
  ): Promise<Record<string, unknown>> {
    const body = soapRequest(type, action, args);
    const headers = { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` };
    const { status, text } = await this.#ask(controlUrl, { body, headers });
    return { [`u:${action}Response`]: Object.fromEntries(soapAnswer(text, action, status)) };
  }

  #ask(url: URL, post: { body?: string; headers?: Readonly<Record<string, string>> } = {}) {
    return askOverHttp({
      url,
      localHost: this.#route.localHost,
      binding: this.#route.binding,
      signal: this.#lifetime.signal,
      ...post,
    });
  }
}
