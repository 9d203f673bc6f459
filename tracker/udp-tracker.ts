/**
 * UDP transport of the tracker (BEP 15). Sends nothing longer than what it received until a connection id has proven
 * that the address receives; whatever cannot be a request is dropped without a word.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Millis } from '../engine/units.js';
import { type PackedHost, packSource, quotaPrefix } from './addresses.js';
import type { AnnounceService } from './announce.js';
import { CONNECTION_ID_BYTES, type ConnectionIds } from './connection-ids.js';
import type { RateBuckets } from './rate-buckets.js';
import { emptyStats } from './stats.js';
import {
  ACTION,
  actionOf,
  CONNECT_BYTES,
  decodeAnnounce,
  decodeScrape,
  encodeAnnounce,
  encodeError,
  encodeScrape,
  isConnect,
  isTooShort,
  openAnswer,
} from './udp-packets.js';

/** Datagrams waiting for the kernel; beyond it answers are dropped, and clients ask again. */
const MAX_SEND_QUEUE = 1024;
/** Room for the announces that arrive while another turn of the event loop runs. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export class UdpTracker {
  readonly stats = emptyStats();
  readonly #socket: Socket;
  readonly #service: AnnounceService;
  readonly #ids: ConnectionIds;
  readonly #buckets: RateBuckets;
  readonly #now: () => Millis;

  constructor(
    host: string,
    service: AnnounceService,
    ids: ConnectionIds,
    buckets: RateBuckets,
    now: () => Millis,
  ) {
    this.#service = service;
    this.#ids = ids;
    this.#buckets = buckets;
    this.#now = now;
    const family = isIPv6(host) ? 6 : 4;
    this.#socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Answers go to literal addresses: nothing to look up.
      lookup: (address, _options, done) => done(null, address, family),
    });
    this.#socket.on('message', (packet, from) => this.#onPacket(packet, from));
  }

  /** @returns the port */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.bind({ address: host, port, exclusive: true }, () => {
        this.#socket.off('error', reject);
        resolve();
      });
    });
    // An unreachable client is an error of the socket on some systems; it concerns nobody else.
    this.#socket.on('error', () => {
      this.stats.dropped++;
    });
    this.#growReceiveBuffer();
    return this.#socket.address().port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(resolve);
    });
  }

  #onPacket(packet: Buffer, from: RemoteInfo): void {
    const now = this.#now();
    // Port 0 may stand in a datagram, but nothing can be sent there: `send` throws.
    const source = from.port === 0 ? undefined : packSource(from.address);
    const served = source !== undefined && this.#buckets.take(quotaPrefix(source), now);
    const answer = served && !isTooShort(packet) ? this.#answer(packet, source, now) : undefined;
    if (answer === undefined || this.#socket.getSendQueueCount() >= MAX_SEND_QUEUE) {
      this.stats.dropped++;
      return;
    }
    this.#socket.send(answer, from.port, from.address, ignoreUnreachable);
  }

  #answer(packet: Buffer, source: PackedHost, now: Millis): Buffer | undefined {
    if (isConnect(packet)) return this.#connect(packet, source, now);
    if (!this.#ids.verify(source, now, packet.subarray(0, CONNECTION_ID_BYTES))) return undefined;
    switch (actionOf(packet)) {
      case ACTION.announce:
        return this.#announce(packet, source, now);
      case ACTION.scrape:
        return this.#scrape(packet);
      default:
        return undefined;
    }
  }

  #connect(packet: Buffer, source: PackedHost, now: Millis): Buffer {
    const answer = openAnswer(ACTION.connect, packet, CONNECT_BYTES);
    this.#ids.write(source, now, answer, 8);
    return answer;
  }

  #announce(packet: Buffer, source: PackedHost, now: Millis): Buffer | undefined {
    const request = decodeAnnounce(packet, source);
    if (request === undefined) return undefined;
    this.stats.announces++;
    const answer = this.#service.announce(request, now);
    return 'failure' in answer ? this.#refuse(packet, answer.failure) : encodeAnnounce(packet, answer);
  }

  #scrape(packet: Buffer): Buffer | undefined {
    const hashes = decodeScrape(packet);
    if (hashes === undefined) return undefined;
    this.stats.scrapes++;
    const answer = this.#service.scrape(hashes);
    return 'failure' in answer ? this.#refuse(packet, answer.failure) : encodeScrape(packet, answer);
  }

  #refuse(packet: Buffer, reason: string): Buffer {
    this.stats.refused++;
    return encodeError(packet, reason);
  }

  #growReceiveBuffer(): void {
    try {
      this.#socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // The system allows no larger one; the default works, it only drops sooner.
    }
  }
}

/** With a callback a failed send is not an `error` event; UDP promises nothing anyway. */
const ignoreUnreachable = (): void => {};
