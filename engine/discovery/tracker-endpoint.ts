/**
 * One tracker URL: judges its addresses and speaks its protocol. A tracker that has IPv4 and IPv6 addresses is
 * announced to over both at once (BEP 7), as it can tell others only about the address that it saw.
 */

import type { SocketBinding } from '../egress/socket-binding.js';
import { SwarmError } from '../errors.js';
import {
  AddressGuard,
  type JudgedAddress,
  mayNamePeer,
  parseTrackerUrl,
  type TrackerUrl,
} from './address-guard.js';
import type { AnnounceAnswer, AnnounceRequest, ScrapeAnswer } from './announce.js';
import { httpAnnounce, httpScrape } from './http-tracker.js';
import type { Resolve } from './resolve.js';
import type { UdpTrackerSockets } from './udp-tracker.js';

export interface EndpointOptions {
  readonly resolve: Resolve | 'by-proxy';
  readonly udp: UdpTrackerSockets;
  readonly userAgent: string;
  /** Families that we listen on. */
  readonly families: readonly (4 | 6)[];
  readonly binding?: SocketBinding | undefined;
  /** As of `httpGet`. */
  readonly onDate?: (atMs: number) => void;
}

export class TrackerEndpoint {
  readonly url: TrackerUrl;
  readonly #guard: AddressGuard;
  readonly #options: EndpointOptions;
  #trackerId: Uint8Array | null = null;

  /** @throws SwarmError TRACKER_FORBIDDEN_ADDRESS when `text` is no tracker URL */
  constructor(text: string, options: EndpointOptions) {
    this.url = parseTrackerUrl(text);
    this.#guard = new AddressGuard(options.resolve);
    this.#options = options;
  }

  /**
   * Calls `onAnswer` for each address family that answers, and resolves when both are through.
   * @throws SwarmError of the first family when none answered, or the signal's reason
   */
  async announce(
    request: AnnounceRequest,
    signal: AbortSignal,
    onAnswer: (answer: AnnounceAnswer) => void,
  ): Promise<void> {
    const families = await this.#families(signal, request.event === 'stopped');
    const outcomes = await Promise.allSettled(
      families.map(async (addresses) => {
        const answer = await this.#announceTo(addresses, request, signal);
        onAnswer({ ...answer, peers: answer.peers.filter((peer) => mayNamePeer(addresses, peer.host)) });
      }),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    if (failures.length === outcomes.length) throw failures[0];
  }

  /** Asks the first family that we both have. */
  async scrape(infoHash: Uint8Array, signal: AbortSignal): Promise<ScrapeAnswer> {
    const [addresses = []] = await this.#families(signal, false);
    if (this.url.scheme !== 'udp') return await httpScrape(this.url, infoHash, this.#http(addresses, signal));
    return await this.#options.udp.scrape(this.#udpAddress(addresses), infoHash, signal);
  }

  async #announceTo(
    addresses: readonly JudgedAddress[],
    request: AnnounceRequest,
    signal: AbortSignal,
  ): Promise<AnnounceAnswer> {
    if (this.url.scheme === 'udp') {
      const { path, query } = this.url;
      const urlData = path === '/' ? query : path + query;
      return await this.#options.udp.announce(this.#udpAddress(addresses), request, urlData, signal);
    }
    const answer = await httpAnnounce(this.url, request, this.#trackerId, this.#http(addresses, signal));
    this.#trackerId = answer.trackerId ?? this.#trackerId;
    return answer;
  }

  async #families(signal: AbortSignal, reuse: boolean): Promise<readonly (readonly JudgedAddress[])[]> {
    const addresses = await this.#guard.admit(this.url, signal, reuse);
    const families = this.#options.families
      .map((family) => addresses.filter((address) => address.family === family))
      .filter((group) => group.length > 0);
    if (families.length > 0) return families;
    throw new SwarmError('TRACKER_UNREACHABLE', 'the tracker has no address of a family that we listen on', {
      url: this.url.text,
    });
  }

  #http(addresses: readonly JudgedAddress[], signal: AbortSignal) {
    const { userAgent, binding, onDate } = this.#options;
    return { guard: this.#guard, addresses, userAgent, signal, binding, onDate };
  }

  /** UDP takes the first address: silence is found out too late to try the next one after it. */
  #udpAddress([first]: readonly JudgedAddress[]) {
    if (first === undefined) throw new RangeError('a judged family has an address');
    return { host: first.host, port: this.url.port };
  }
}
