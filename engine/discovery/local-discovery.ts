/**
 * Local discovery (BEP 14): tells the neighbours which torrents we have, and hears which they have; one pair of
 * sockets for all torrents of an engine. Nothing is ever answered, so nobody can make us send.
 */

import { type SocketBinding, sourceOf } from '../egress/socket-binding.js';
import { canonicalHost, familyOf } from '../policy/ip-address.js';
import type { Clock, PeerSource, PeerSourceHandler, TimerHandle } from '../ports.js';
import { asMillis, type InfoHash, type Millis, type PeerAddress } from '../units.js';
import { formatLsd, parseLsd } from './lsd-packet.js';
import { LsdSchedule } from './lsd-schedule.js';
import { MulticastSocket } from './multicast-socket.js';

export interface LocalDiscoveryOptions {
  readonly clock: Clock;
  /** Where we take peers, to be told; undefined: we only listen. */
  readonly listenPort: () => number | undefined;
  /** Opaque, so that we know our own announces: at most 16 random hex digits. */
  readonly cookie: string;
  /** Only on the interface that has this address; undefined, or an unspecified one: on all but loopback. */
  readonly host?: string;
  /** Instead of `host`: what it gives now, if anything. */
  readonly binding?: SocketBinding;
  /** Families to use. Default: that of `host`, or both. */
  readonly families?: readonly (4 | 6)[];
  /** Port of the groups. Default 6771. */
  readonly port?: number;
  /** A family is not available, for people. */
  onWarning?(text: string): void;
}

const GROUPS = { 4: '239.192.152.143', 6: 'ff15::efc0:988f' } as const;
const PORT = 6771;
/** What all neighbours together may tell in a second; a network full of clients tells less in a minute. */
const MAX_PACKETS_PER_SECOND = 50;
/** Of one neighbour in a minute; one datagram a torrent, from clients that tell one at a time. */
const MAX_PER_HOST = 60;
const WINDOW_MS = 60_000;
/** Neighbours that are counted in one minute. */
const MAX_HOSTS = 1_024;

export class LocalDiscovery {
  readonly #options: LocalDiscoveryOptions;
  readonly #schedule = new LsdSchedule();
  /** Torrents that hear of peers. */
  readonly #handlers = new Map<InfoHash, PeerSourceHandler>();
  readonly #intake = new Intake();
  #sockets: { readonly group: string; readonly socket: MulticastSocket }[] = [];
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: LocalDiscoveryOptions) {
    this.#options = options;
  }

  /** Neighbours as a source of peers of one torrent. Never ask for one of a private torrent (BEP 27). */
  source(infoHash: InfoHash): PeerSource {
    return {
      start: (handler) => this.#start(infoHash, handler),
      completed() {},
      wantPeers() {},
      // Neighbours reach us at our own.
      portChanged() {},
      stop: () => {
        this.#schedule.remove(infoHash);
        this.#handlers.delete(infoHash);
        this.#arm();
        return Promise.resolve();
      },
    };
  }

  /** Frees the sockets. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#handlers.clear();
    for (const { socket } of this.#sockets) socket.close();
    this.#sockets = [];
  }

  #start(infoHash: InfoHash, handler: PeerSourceHandler): void {
    if (this.#isClosed) return;
    if (this.#handlers.size === 0 && this.#sockets.length === 0) this.#open();
    this.#handlers.set(infoHash, handler);
    this.#schedule.add(this.#options.clock.now(), infoHash);
    this.#arm();
  }

  #open(): void {
    const { binding, host, families = familiesOf(host), port = PORT } = this.#options;
    const named = ANY.includes(host) ? undefined : host;
    for (const family of families) {
      const group = GROUPS[family];
      const socket = new MulticastSocket({
        family,
        group,
        port,
        host: () => (binding === undefined ? named : (sourceOf(binding, family)?.host ?? null)),
        onPacket: (packet, from) => this.#onPacket(packet, from),
        onReady: () => this.#arm(),
        onError: ({ message }) => {
          this.#options.onWarning?.(`no local discovery over IPv${family}: ${message}`);
          this.#sockets = this.#sockets.filter((each) => each.socket !== socket);
        },
      });
      this.#sockets.push({ group: family === 4 ? `${group}:${port}` : `[${group}]:${port}`, socket });
    }
  }

  #arm(): void {
    this.#timer?.cancel();
    const at = this.#schedule.nextAt();
    if (at === undefined || !this.#sockets.some(({ socket }) => socket.isReady)) return;
    const { clock } = this.#options;
    this.#timer = clock.schedule(asMillis(Math.max(at, clock.now())), () => this.#announce());
  }

  #announce(): void {
    const port = this.#options.listenPort();
    const infoHashes = this.#schedule.take(this.#options.clock.now());
    if (port !== undefined && infoHashes.length > 0) {
      const { cookie } = this.#options;
      for (const { group, socket } of this.#sockets)
        socket.send(formatLsd(group, { port, infoHashes, cookie }));
    }
    this.#arm();
  }

  #onPacket(packet: Uint8Array, from: string): void {
    if (!this.#intake.admits(this.#options.clock.now(), from)) return;
    const announce = parseLsd(packet);
    if (announce === undefined || announce.cookie === this.#options.cookie) return;
    // A link-local address is one with its zone only.
    const host = from.includes('%') ? from : canonicalHost(from);
    if (host === undefined) return;
    const peer: PeerAddress = { host, port: announce.port };
    for (const infoHash of announce.infoHashes) this.#handlers.get(infoHash)?.onPeers([peer], 'lsd', peer);
  }
}

/** How much is listened to. */
class Intake {
  readonly #perHost = new Map<string, number>();
  #windowAt: Millis | undefined;
  #secondAt: Millis | undefined;
  #inSecond = 0;

  admits(now: Millis, host: string): boolean {
    if (this.#secondAt === undefined || now - this.#secondAt >= 1_000) {
      this.#secondAt = now;
      this.#inSecond = 0;
    }
    if (this.#windowAt === undefined || now - this.#windowAt >= WINDOW_MS) {
      this.#windowAt = now;
      this.#perHost.clear();
    }
    const count = (this.#perHost.get(host) ?? 0) + 1;
    if (count > MAX_PER_HOST || (count === 1 && this.#perHost.size >= MAX_HOSTS)) return false;
    this.#perHost.set(host, count);
    return ++this.#inSecond <= MAX_PACKETS_PER_SECOND;
  }
}

/** `::` takes IPv4 too. */
const familiesOf = (host: string | undefined): readonly (4 | 6)[] =>
  host === undefined || host === '::' ? [4, 6] : [familyOf(host)];

const ANY: readonly (string | undefined)[] = ['0.0.0.0', '::'];
