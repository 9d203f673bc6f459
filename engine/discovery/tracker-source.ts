/**
 * The trackers of one torrent as a source of peers: the thin shell that carries out what `TrackerTiers` decides.
 * One timer, one deadline per announce; what comes after `stop` is dropped.
 */

import type { SocketBinding } from '../egress/socket-binding.js';
import { SwarmError, toSwarmError } from '../errors.js';
import type { Clock, PeerSource, PeerSourceHandler, Rng, TimerHandle, TransferTotals } from '../ports.js';
import type { TrackerSnapshot } from '../snapshot.js';
import { asMillis, type InfoHash } from '../units.js';
import { withoutCredentials } from './address-guard.js';
import type { AnnounceAnswer, AnnounceIdentity, AnnounceRequest, ScrapeAnswer } from './announce.js';
import { type Resolve, systemResolve } from './resolve.js';
import { type EndpointOptions, TrackerEndpoint } from './tracker-endpoint.js';
import { DEFAULT_TIER_LIMITS, type DueAnnounce, type TierLimits, TrackerTiers } from './tracker-tiers.js';
import { FIRST_RETRANSMIT_MS, type UdpTrackerSockets } from './udp-tracker.js';

export interface TrackerSourceOptions {
  /** BEP 12; URLs are untrusted. */
  readonly tiers: readonly (readonly string[])[];
  readonly identity: {
    readonly infoHash: InfoHash;
    /** 20 bytes. */
    readonly peerId: Uint8Array;
    /** 32 random bits, the same for the session. */
    readonly key: number;
    /** Where the world reaches us; 0: nowhere. */
    readonly port: () => number;
  };
  /** `leftBytes` must not be 0 while the length is still unknown: a tracker takes that for a seed. */
  readonly totals: () => TransferTotals;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Shared by all torrents of the engine. */
  readonly udp: UdpTrackerSockets;
  /** `User-Agent` of HTTP announces. */
  readonly userAgent: string;
  /** A later tier is only used while all before it fail; for private torrents. Default false. */
  readonly firstTierOnly?: boolean;
  /** Address families to announce over: those that we listen on. Default both. */
  readonly families?: readonly (4 | 6)[];
  readonly limits?: Partial<TierLimits & { readonly requestMs: number; readonly udpRequestMs: number }>;
  readonly resolve?: Resolve | 'by-proxy';
  readonly binding?: SocketBinding | undefined;
}

/** All of an HTTP announce: name, connection, redirects, answer. */
const REQUEST_MS = 30_000;
/** Two tries, waiting for 15 and 30 seconds (BEP 15). */
const UDP_REQUEST_MS = 3 * FIRST_RETRANSMIT_MS;
/** The same while another tracker of the tier waits to be tried: one try. */
const IMPATIENT_MS = FIRST_RETRANSMIT_MS;
/** Not listening has no port of its own, and trackers refuse 0. */
const NO_PORT = 1;

export class TrackerSource implements PeerSource {
  readonly #tiers: TrackerTiers;
  /** By tracker id; undefined where the URL is of no use. */
  readonly #endpoints: readonly (TrackerEndpoint | undefined)[];
  readonly #options: TrackerSourceOptions;
  readonly #identity: Omit<AnnounceIdentity, 'port'>;
  /** What is under way, to be ended by `stop`. */
  readonly #calls = new Set<AbortController>();
  #handler: PeerSourceHandler | undefined;
  #timer: TimerHandle | undefined;
  #externalIp: string | null = null;
  /** That of the latest announce. */
  #announcedPort = 0;
  #stopped: Promise<void> | undefined;

  constructor(options: TrackerSourceOptions) {
    const { identity, limits, rng, firstTierOnly = false } = options;
    this.#options = options;
    this.#identity = {
      infoHash: Buffer.from(identity.infoHash, 'hex'),
      peerId: identity.peerId,
      key: identity.key >>> 0,
    };
    this.#tiers = new TrackerTiers(options.tiers, {
      rng,
      firstTierOnly,
      limits: { ...DEFAULT_TIER_LIMITS, ...limits },
    });
    const endpoint: EndpointOptions = {
      resolve: options.resolve ?? systemResolve,
      udp: options.udp,
      userAgent: options.userAgent,
      families: options.families ?? [4, 6],
      binding: options.binding,
    };
    this.#endpoints = this.#tiers.urls.map((url, id) => this.#endpoint(id, url, endpoint));
  }

  /** Our address as a tracker saw it (BEP 24). */
  get externalIp(): string | null {
    return this.#externalIp;
  }

  start(handler: PeerSourceHandler): void {
    if (this.#handler !== undefined || this.#stopped !== undefined) return;
    this.#handler = handler;
    this.#arm();
  }

  completed(): void {
    this.#tiers.completed();
    this.#arm();
  }

  wantPeers(): void {
    this.#tiers.wantPeers();
    this.#arm();
  }

  portChanged(): void {
    if (this.#announcedPort === 0 || this.#options.identity.port() === this.#announcedPort) return;
    this.#tiers.announceAgain();
    this.#arm();
  }

  stop(withinMs: number): Promise<void> {
    this.#stopped ??= this.#goodbye(withinMs);
    return this.#stopped;
  }

  snapshot(): TrackerSnapshot[] {
    return this.#tiers
      .snapshot(this.#options.clock.now())
      .map((row) => ({ ...row, url: withoutCredentials(row.url) }));
  }

  /** Asks the first working tracker for the swarm's numbers (BEP 48); null without one, or when it does not tell. */
  async scrape(): Promise<ScrapeAnswer | null> {
    const id = this.#tiers.workingId();
    const endpoint = id === undefined ? undefined : this.#endpoints[id];
    if (id === undefined || endpoint === undefined || this.#stopped !== undefined) return null;
    try {
      const answer = await this.#call(REQUEST_MS, (signal) =>
        endpoint.scrape(this.#identity.infoHash, signal),
      );
      this.#tiers.onScrape(id, answer.seeders, answer.leechers);
      this.#handler?.onStatus();
      return answer;
    } catch {
      return null;
    }
  }

  #endpoint(id: number, url: string, options: EndpointOptions): TrackerEndpoint | undefined {
    try {
      return new TrackerEndpoint(url, options);
    } catch (error) {
      const { message } = toSwarmError(error);
      this.#tiers.onFailure(id, { message, permanent: true }, this.#options.clock.now());
      return undefined;
    }
  }

  /** The one timer always stands at what the tiers want next, so no announce starts inside a call of the owner. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const at = this.#tiers.nextAt();
    if (this.#handler === undefined || at === undefined) return;
    this.#timer = this.#options.clock.schedule(asMillis(Math.max(at, this.#options.clock.now())), () =>
      this.#pump(),
    );
  }

  #pump(): void {
    for (const due of this.#tiers.due(this.#options.clock.now())) void this.#announce(due);
    this.#arm();
    this.#handler?.onStatus();
  }

  async #announce(due: DueAnnounce): Promise<void> {
    const { clock } = this.#options;
    const endpoint = this.#endpoints[due.id];
    if (endpoint === undefined) return;
    let answered = false;
    const onAnswer = (answer: AnnounceAnswer): void => {
      if (this.#handler === undefined) return;
      if (answered) this.#tiers.onPeers(due.id, answer);
      else this.#tiers.onAnswer(due.id, answer, clock.now());
      answered = true;
      this.#onAnswer(answer);
    };
    try {
      const request = this.#request(due);
      await this.#call(this.#patienceMs(endpoint, due), (signal) =>
        endpoint.announce(request, signal, onAnswer),
      );
    } catch (error) {
      if (this.#handler === undefined || answered) return;
      const { message, details } = toSwarmError(error, 'TRACKER_UNREACHABLE');
      const { retryMs } = details;
      this.#tiers.onFailure(
        due.id,
        {
          message,
          permanent: details.permanent === true,
          ...(typeof retryMs === 'number' ? { retryMs } : {}),
        },
        clock.now(),
      );
      this.#arm();
      this.#handler.onStatus();
    }
  }

  #onAnswer(answer: AnnounceAnswer): void {
    this.#externalIp = answer.externalIp ?? this.#externalIp;
    this.#arm();
    if (answer.peers.length > 0) this.#handler?.onPeers(answer.peers, 'tracker');
    this.#handler?.onStatus();
  }

  async #goodbye(withinMs: number): Promise<void> {
    this.#handler = undefined;
    this.#timer?.cancel();
    const ids = this.#tiers.toStop();
    for (const call of [...this.#calls]) call.abort(stoppedError());
    const goodbyes = ids.map(async (id) => {
      const request = this.#request({ event: 'stopped', numWant: 0 });
      await this.#call(withinMs, async (signal) =>
        this.#endpoints[id]?.announce(request, signal, () => undefined),
      );
    });
    await Promise.allSettled(goodbyes);
  }

  /** Runs `call` with a signal that aborts after `withinMs`, and settles by then whatever `call` does. */
  async #call<T>(withinMs: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    const controller = new AbortController();
    const { signal } = controller;
    const timer = clock.schedule(asMillis(clock.now() + withinMs), () =>
      controller.abort(
        new SwarmError('TRACKER_UNREACHABLE', `the tracker did not answer within ${withinMs / 1_000} s`),
      ),
    );
    this.#calls.add(controller);
    try {
      return await new Promise<T>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        call(signal).then(resolve, reject);
      });
    } finally {
      timer.cancel();
      this.#calls.delete(controller);
    }
  }

  #patienceMs({ url }: TrackerEndpoint, { hasAlternative }: DueAnnounce): number {
    const { requestMs = REQUEST_MS, udpRequestMs = UDP_REQUEST_MS } = this.#options.limits ?? {};
    const patience = url.scheme === 'udp' ? udpRequestMs : requestMs;
    return hasAlternative ? Math.min(patience, IMPATIENT_MS) : patience;
  }

  #request({ event, numWant }: Pick<DueAnnounce, 'event' | 'numWant'>): AnnounceRequest {
    const { identity, totals } = this.#options;
    this.#announcedPort = identity.port();
    const { isPartialSeed, ...sums } = totals();
    return {
      ...{ ...this.#identity, port: this.#announcedPort || NO_PORT, ...sums, numWant },
      event: event === 'none' && isPartialSeed ? 'paused' : event,
    };
  }
}

const stoppedError = (): SwarmError => new SwarmError('CLOSED', 'the torrent stopped');
