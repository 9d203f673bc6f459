/**
 * HTTP transport of the tracker: `/announce` and `/scrape` (BEP 3, 7, 23, 24, 48). Where a request comes from is where
 * its connection comes from: forwarding headers are ignored, for anybody can write them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Millis } from '../engine/units.js';
import { type PackedHost, packHost, packSource, quotaPrefix } from './addresses.js';
import { type AnnounceEvent, type AnnounceRequest, type AnnounceService, MAX_PEERS } from './announce.js';
import { bencodeAnnounce, bencodeFailure, bencodeScrape } from './http-answers.js';
import { decodePercent, parseTrackerQuery, type TrackerQuery } from './http-query.js';
import { PrefixQuota } from './prefix-quota.js';
import type { RateBuckets } from './rate-buckets.js';
import { emptyStats } from './stats.js';

/** A scrape of 74 hashes, every byte of them escaped, is 5,300. */
const MAX_TARGET_BYTES = 6 * 1024;
/** Target and headers together. */
const MAX_HEADER_BYTES = 10 * 1024;
const MAX_HEADERS = 64;
/** From the first byte of a request to its last; a tracker request is one packet. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Clients announce every half hour: a kept connection serves those that announce many torrents in a row. */
const KEEP_ALIVE_MS = 5_000;
/** Of a connection on which nothing moves: the client does not read its answers. */
const STALL_TIMEOUT_MS = 6_000;
const TIMEOUT_CHECK_MS = 1_000;
const MAX_REQUESTS_PER_CONNECTION = 1_000;
const INDEX_TEXT = 'swarm tracker: announce at /announce, scrape at /scrape\n';

export interface HttpLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerPrefix: number;
}

export class HttpTracker {
  readonly stats = emptyStats();
  readonly #server: Server;
  readonly #service: AnnounceService;
  readonly #buckets: RateBuckets;
  readonly #now: () => Millis;
  readonly #connections: PrefixQuota;

  constructor(service: AnnounceService, buckets: RateBuckets, limits: HttpLimits, now: () => Millis) {
    this.#service = service;
    this.#buckets = buckets;
    this.#connections = new PrefixQuota(limits.maxConnectionsPerPrefix);
    this.#now = now;
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    });
    this.#server.timeout = STALL_TIMEOUT_MS;
    this.#server.maxConnections = limits.maxConnections;
    this.#server.maxHeadersCount = MAX_HEADERS;
    this.#server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
    this.#server.on('connection', (socket) => this.#onConnection(socket));
    this.#server.on('request', (request, response) => this.#onRequest(request, response));
    this.#server.on('checkContinue', (request, response) => this.#onRequest(request, response));
    this.#server.on('clientError', (_error, socket) => this.#onClientError(socket as Socket));
    this.#server.on('drop', () => {
      this.stats.dropped++;
    });
  }

  /** @returns the port */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #onConnection(socket: Socket): void {
    // A reset is the client's business; without a listener it would be everybody's.
    socket.on('error', () => socket.destroy());
    const source = packSource(socket.remoteAddress ?? '');
    const prefix = source === undefined ? undefined : quotaPrefix(source);
    if (source === undefined || !this.#connections.hasRoom(prefix)) {
      this.stats.dropped++;
      socket.destroy();
      return;
    }
    this.#connections.add(prefix);
    socket.once('close', () => this.#connections.remove(prefix));
  }

  #onClientError(socket: Socket): void {
    this.stats.refused++;
    // Who has not taken its last answer will not take this one.
    if (!socket.writable || socket.writableLength > 0) {
      socket.destroy();
      return;
    }
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    // What it still sends is not read: the answer is all that it gets.
    socket.destroySoon();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const answer = this.#answer(request);
    if (answer.status !== 200 || hasBody(request)) {
      // Nothing that the client still sends is read.
      response.shouldKeepAlive = false;
      response.once('finish', () => request.socket.destroySoon());
    }
    response.sendDate = false;
    response.writeHead(answer.status, { 'Content-Type': 'text/plain', 'Content-Length': answer.body.length });
    response.end(answer.body, 'latin1');
  }

  #answer(request: IncomingMessage): HttpAnswer {
    const now = this.#now();
    const source = packSource(request.socket.remoteAddress ?? '');
    const target = request.url ?? '';
    if (source === undefined) return this.#refuse(400, 'your connection is gone');
    if (!this.#buckets.take(quotaPrefix(source), now))
      return this.#refuse(429, 'too many requests from your network');
    if (request.method !== 'GET') return this.#refuse(405, 'only GET is served');
    if (target.length > MAX_TARGET_BYTES) return this.#refuse(414, 'the request is too long');
    const query = parseTrackerQuery(target);
    switch (query.path) {
      case '/announce':
        return this.#announce(query, source, now);
      case '/scrape':
        return this.#scrape(query);
      case '/':
        return { status: 200, body: INDEX_TEXT };
      default:
        return this.#refuse(404, 'announce at /announce, scrape at /scrape');
    }
  }

  #announce(query: TrackerQuery, source: PackedHost, now: Millis): HttpAnswer {
    this.stats.announces++;
    const answer = this.#service.announce(announceRequest(query, source), now);
    if ('failure' in answer) return this.#refuse(200, answer.failure);
    return { status: 200, body: bencodeAnnounce(answer, source, isCompact(query)) };
  }

  #scrape(query: TrackerQuery): HttpAnswer {
    this.stats.scrapes++;
    const hashes = query.infoHashes.map((value) => decodePercent(value) ?? '');
    const answer = this.#service.scrape(hashes);
    if ('failure' in answer) return this.#refuse(200, answer.failure);
    return { status: 200, body: bencodeScrape(hashes, answer) };
  }

  /** Clients show the reason of a refused announce only when the status is 200. */
  #refuse(status: number, reason: string): HttpAnswer {
    this.stats.refused++;
    return { status, body: bencodeFailure(reason) };
  }
}

/** `body` has one byte a character. */
interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  'content-length' in headers || 'transfer-encoding' in headers;

function announceRequest(query: TrackerQuery, source: PackedHost): AnnounceRequest {
  const { infoHashes, fields } = query;
  return {
    infoHash: decodePercent(infoHashes[0] ?? '') ?? '',
    peerId: decodePercent(fields.peer_id ?? '') ?? '',
    source,
    claimedHost: packHost(decodePercent(fields.ip ?? '') ?? ''),
    port: /^\d{1,5}$/.test(fields.port ?? '') ? Number(fields.port) : 0,
    seed: /^0+$/.test(fields.left ?? ''),
    event: eventOf(fields.event),
    numWant: /^\d{1,9}$/.test(fields.numwant ?? '') ? Number(fields.numwant) : undefined,
    maxPeers: MAX_PEERS,
    withPeerIds: !isCompact(query) && fields.no_peer_id !== '1',
  };
}

function eventOf(value: string | undefined): AnnounceEvent {
  return value === 'started' || value === 'completed' || value === 'stopped' ? value : 'none';
}

/** Unless the client says no, as BEP 23 advises. */
const isCompact = ({ fields }: TrackerQuery): boolean => fields.compact !== '0';
