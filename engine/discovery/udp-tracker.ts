/**
 * The tracker protocol over UDP (BEP 15): one socket per address family for all torrents of an engine. An
 * exchange is a connect, unless the tracker gave us a connection id within the last minute, and a request;
 * unanswered packets are sent again after 15·2^n seconds until the caller's signal ends it.
 */
import { randomBytes } from 'node:crypto';
import type { RemoteInfo, Socket } from 'node:dgram';
import { closeQuietly, datagramFrom } from '../egress/bound-sockets.js';
import { type SocketBinding, UNBOUND } from '../egress/socket-binding.js';
import { SwarmError, toSwarmError } from '../errors.js';
import { canonicalHost, familyOf } from '../policy/ip-address.js';
import type { Clock, TimerHandle } from '../ports.js';
import { addressKey, asMillis, type PeerAddress } from '../units.js';
import type { AnnounceAnswer, AnnounceRequest, ScrapeAnswer } from './announce.js';
import {
  formatAnnounce,
  formatConnect,
  formatScrape,
  parseAnnounceAnswer,
  parseConnectAnswer,
  parseErrorAnswer,
  parseHeader,
  parseScrapeAnswer,
  UDP_ACTION,
} from './udp-packets.js';

/** BEP 15, "Time outs". */
export const FIRST_RETRANSMIT_MS = 15_000;
const MAX_RETRANSMITS = 8;
const CONNECTION_ID_LIFE_MS = 60_000;
/** Trackers whose connection id is remembered; beyond it the oldest is forgotten and asked again. */
const MAX_CONNECTION_IDS = 256;
/** Exchanges under way over all torrents. */
const MAX_EXCHANGES = 1_024;

interface ConnectionId {
  readonly bytes: Uint8Array;
  readonly expiresAt: number;
}

/** The request of an exchange and what to do with its answer. */
interface Request {
  readonly action: number;
  format(connectionId: Uint8Array, transactionId: number): Uint8Array;
  /** @throws SwarmError when the answer is of no use */
  accept(packet: Buffer): void;
}

interface Exchange {
  readonly tracker: PeerAddress;
  readonly family: 4 | 6;
  readonly request: Request;
  readonly fail: (error: unknown) => void;
  /** What the packet under way asks for, and its transaction id. */
  expected: number;
  transactionId: number;
  retransmits: number;
  /** It got its connection id itself, rather than from an earlier exchange. */
  connected: boolean;
  timer: TimerHandle | undefined;
}

export class UdpTrackerSockets {
  readonly #clock: Clock;
  readonly #binding: SocketBinding;
  readonly #sockets = new Map<4 | 6, Socket>();
  /** By transaction id. */
  readonly #exchanges = new Map<number, Exchange>();
  /** By address; in the order of their making. */
  readonly #connectionIds = new Map<string, ConnectionId>();
  #closed = false;

  constructor(options: { readonly clock: Clock; readonly binding?: SocketBinding }) {
    this.#clock = options.clock;
    this.#binding = options.binding ?? UNBOUND;
  }

  /**
   * `tracker` is a judged, canonical address; `urlData` the path and query of its URL (BEP 41).
   * @throws SwarmError TRACKER_REFUSED, TRACKER_BAD_ANSWER, TRACKER_UNREACHABLE, CLOSED, or the signal's reason
   */
  announce(
    tracker: PeerAddress,
    request: AnnounceRequest,
    urlData: string,
    signal: AbortSignal,
  ): Promise<AnnounceAnswer> {
    return this.#exchange(tracker, signal, (done) => ({
      action: UDP_ACTION.announce,
      format: (connectionId, transactionId) => formatAnnounce(connectionId, transactionId, request, urlData),
      accept: (packet) => done(parseAnnounceAnswer(packet, familyOf(tracker.host))),
    }));
  }

  /** @throws SwarmError as `announce` does */
  scrape(tracker: PeerAddress, infoHash: Uint8Array, signal: AbortSignal): Promise<ScrapeAnswer> {
    return this.#exchange(tracker, signal, (done) => ({
      action: UDP_ACTION.scrape,
      format: (connectionId, transactionId) => formatScrape(connectionId, transactionId, infoHash),
      accept: (packet) => done(parseScrapeAnswer(packet)),
    }));
  }

  /** Ends every exchange with CLOSED. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const exchange of [...this.#exchanges.values()]) exchange.fail(closed());
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    for (const socket of sockets) closeQuietly(socket);
    this.#connectionIds.clear();
  }

  #exchange<T>(
    tracker: PeerAddress,
    signal: AbortSignal,
    requestFor: (done: (answer: T) => void) => Request,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#closed) throw closed();
      if (this.#exchanges.size >= MAX_EXCHANGES)
        throw new SwarmError('TRACKER_UNREACHABLE', 'too many UDP announces are under way');
      const end = (): void => {
        signal.removeEventListener('abort', abort);
        this.#end(exchange);
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const abort = (): void => fail(signal.reason);
      const request = requestFor((answer) => {
        end();
        resolve(answer);
      });
      const exchange: Exchange = {
        tracker,
        family: familyOf(tracker.host),
        request,
        fail,
        expected: UDP_ACTION.connect,
        transactionId: -1,
        retransmits: 0,
        connected: false,
        timer: undefined,
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#send(exchange);
    });
  }

  /** Sends the packet that comes next, and arms its retransmission. */
  #send(exchange: Exchange): void {
    const { tracker, request } = exchange;
    const id = this.#connectionIds.get(addressKey(tracker));
    const usable = id !== undefined && id.expiresAt > this.#clock.now() ? id.bytes : undefined;
    const expected = usable === undefined ? UDP_ACTION.connect : request.action;
    if (exchange.transactionId < 0 || exchange.expected !== expected) this.#renew(exchange, expected);
    const packet =
      usable === undefined
        ? formatConnect(exchange.transactionId)
        : request.format(usable, exchange.transactionId);
    let socket: Socket;
    try {
      this.#binding.sourceFor(tracker.host);
      socket = this.#socket(exchange.family);
    } catch (error) {
      exchange.fail(error);
      return;
    }
    socket.ref();
    socket.send(packet, tracker.port, tracker.host, (error) => {
      if (error !== null && this.#exchanges.get(exchange.transactionId) === exchange)
        exchange.fail(toSwarmError(error, 'TRACKER_UNREACHABLE'));
    });
    exchange.timer?.cancel();
    const wait = FIRST_RETRANSMIT_MS * 2 ** exchange.retransmits;
    exchange.timer = this.#clock.schedule(asMillis(this.#clock.now() + wait), () =>
      this.#onSilence(exchange),
    );
  }

  #onSilence(exchange: Exchange): void {
    exchange.retransmits = Math.min(exchange.retransmits + 1, MAX_RETRANSMITS);
    // A tracker that was restarted since does not know ids of before, and may say nothing about it.
    if (!exchange.connected) this.#connectionIds.delete(addressKey(exchange.tracker));
    this.#send(exchange);
  }

  #onPacket(packet: Buffer, from: RemoteInfo): void {
    const header = parseHeader(packet);
    if (header === undefined) return;
    const exchange = this.#exchanges.get(header.transactionId);
    if (exchange === undefined) return;
    const { tracker } = exchange;
    if (from.port !== tracker.port || canonicalHost(from.address) !== tracker.host) return;
    try {
      if (header.action === UDP_ACTION.error) this.#onError(exchange, packet);
      else if (header.action !== exchange.expected) return;
      else if (header.action === UDP_ACTION.connect) this.#onConnected(exchange, packet);
      else exchange.request.accept(packet);
    } catch (error) {
      exchange.fail(toSwarmError(error, 'TRACKER_BAD_ANSWER'));
    }
  }

  #onConnected(exchange: Exchange, packet: Buffer): void {
    const key = addressKey(exchange.tracker);
    const bytes = parseConnectAnswer(packet);
    this.#connectionIds.delete(key);
    const oldest = this.#connectionIds.keys().next();
    if (this.#connectionIds.size >= MAX_CONNECTION_IDS && oldest.done !== true)
      this.#connectionIds.delete(oldest.value);
    this.#connectionIds.set(key, { bytes, expiresAt: this.#clock.now() + CONNECTION_ID_LIFE_MS });
    exchange.connected = true;
    exchange.retransmits = 0;
    this.#send(exchange);
  }

  #onError(exchange: Exchange, packet: Buffer): void {
    if (exchange.connected || exchange.expected === UDP_ACTION.connect) {
      exchange.fail(parseErrorAnswer(packet));
      return;
    }
    // The error may be about the remembered connection id: once more with a fresh one.
    this.#connectionIds.delete(addressKey(exchange.tracker));
    this.#send(exchange);
  }

  /** Unpredictable, so that only who sees our packets can answer them. */
  #renew(exchange: Exchange, expected: number): void {
    this.#exchanges.delete(exchange.transactionId);
    do exchange.transactionId = randomBytes(4).readUInt32BE(0);
    while (this.#exchanges.has(exchange.transactionId));
    exchange.expected = expected;
    this.#exchanges.set(exchange.transactionId, exchange);
  }

  #end(exchange: Exchange): void {
    exchange.timer?.cancel();
    this.#exchanges.delete(exchange.transactionId);
    for (const other of this.#exchanges.values()) if (other.family === exchange.family) return;
    this.#sockets.get(exchange.family)?.unref();
  }

  #socket(family: 4 | 6): Socket {
    const open = this.#sockets.get(family);
    if (open !== undefined) return open;
    const socket = datagramFrom(this.#binding, family, 0, (error) => this.#onSocketError(family, error));
    socket.on('message', (packet, from) => this.#onPacket(packet, from));
    // Not by `close()` below, which forgets it first.
    socket.on('close', () => {
      if (this.#sockets.get(family) === socket) this.#onSocketGone(family, lost());
    });
    this.#sockets.set(family, socket);
    return socket;
  }

  #onSocketError(family: 4 | 6, error: Error): void {
    const socket = this.#sockets.get(family);
    this.#onSocketGone(family, error);
    if (socket !== undefined) closeQuietly(socket);
  }

  #onSocketGone(family: 4 | 6, error: Error): void {
    this.#sockets.delete(family);
    for (const exchange of [...this.#exchanges.values()])
      if (exchange.family === family) exchange.fail(toSwarmError(error, 'TRACKER_UNREACHABLE'));
  }
}

const lost = (): SwarmError => new SwarmError('ADDRESS_UNAVAILABLE', 'the address to send from is gone');

const closed = (): SwarmError => new SwarmError('CLOSED', 'the engine is closed');
