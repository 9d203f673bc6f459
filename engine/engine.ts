/**
 * Engine: several torrents in one process. Owns what they share: the listening port, the connection limits, the
 * arena and its workers, the rate limits, and the sockets to UDP trackers.
 */
import { ActivityLog } from './activity-log.js';
import { type Dht, DhtService } from './dht-service.js';
import { LocalDiscovery } from './discovery/local-discovery.js';
import { pexCodec } from './discovery/pex-codec.js';
import { TrackerSource } from './discovery/tracker-source.js';
import { UdpTrackerSockets } from './discovery/udp-tracker.js';
import { greetProxy } from './egress/proxied-sockets.js';
import type { Source } from './egress/socket-binding.js';
import { type Egress, openEgress } from './egress.js';
import { SwarmError } from './errors.js';
import { FileClaims } from './file-claims.js';
import { familiesOf } from './ip-families.js';
import { type FetchOptions, MetadataFetch } from './metadata-fetch.js';
import { type Magnet, parseMagnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { parseTorrent } from './metainfo/parse.js';
import { type EngineOptions, type ResolvedEngineOptions, resolveEngineOptions } from './options.js';
import { Outside } from './outside.js';
import { PeerSources } from './peer-sources.js';
import { TokenBucket } from './policy/token-bucket.js';
import { TorrentGeometry } from './policy/torrent-geometry.js';
import type { HandshakeIdentity, PexCodec, TransferTotals } from './ports.js';
import { ConnectionSlots } from './reach/connection-slots.js';
import { SlottedDialer } from './reach/dialer.js';
import { PeerListener } from './reach/listener.js';
import type { EngineSnapshot, PortMappingSnapshot } from './snapshot.js';
import { Storage } from './storage/storage.js';
import { MAX_QUEUED_REQUESTS } from './swarm/upload-queue.js';
import { secretBytes, secretInt, systemClock, systemRng, thisMachine } from './system.js';
import { type AddOptions, Torrent, type TorrentHost } from './torrent.js';
import type { InfoHash, Millis, PeerAddress } from './units.js';
import { UplinkPacing } from './uplink-pacing.js';
import { CLIENT_NAME, USER_AGENT } from './version.js';
import { Heartbeat } from './wire/heartbeat.js';
import { createPeerId } from './wire/peer-id.js';
import { SendQueues } from './wire/send-queues.js';
import { TcpWire } from './wire/tcp-wire.js';

export class Engine {
  readonly #options: ResolvedEngineOptions;
  readonly #startedAt: Millis = systemClock.now();
  readonly #torrents = new Map<string, Torrent>();
  readonly #fetches = new Map<string, MetadataFetch>();
  readonly #log = new ActivityLog(systemClock);
  readonly #peerId = createPeerId(secretBytes(12));
  readonly #key = secretInt(2 ** 32);
  readonly #storage: Storage;
  readonly #slots: ConnectionSlots;
  readonly #heartbeat = new Heartbeat(systemClock);
  readonly #listener: PeerListener;
  readonly #dialer: SlottedDialer;
  readonly #udp: UdpTrackerSockets;
  readonly #egress: Egress;
  readonly #neighbours: LocalDiscovery | undefined;
  readonly #fileClaims = new FileClaims();
  readonly #downloadBucket: TokenBucket;
  readonly #uploadBucket: TokenBucket;
  readonly #uplinkPacing: UplinkPacing;
  readonly #outside: Outside;
  readonly #dht: DhtService | undefined;
  #listen: EngineSnapshot['listen'] = null;
  #closed: Promise<void> | undefined;

  private constructor(resolved: ResolvedEngineOptions, egress: Egress) {
    const { local, binding, resolve } = egress;
    this.#options = resolved;
    this.#egress = egress;
    this.#udp = new UdpTrackerSockets({ clock: systemClock, binding });
    this.#storage = new Storage({
      arenaBytes: resolved.arenaBytes,
      readCacheBytes: resolved.readCacheBytes,
      workers: resolved.workers,
      stateDir: resolved.stateDir,
      onWarning: (text) => this.#log.add('warn', text),
    });
    this.#neighbours = resolved.lsd
      ? new LocalDiscovery({
          clock: systemClock,
          listenPort: () => this.#listen?.port,
          cookie: Buffer.from(secretBytes(4)).toString('hex'),
          ...(resolved.listenHost === undefined ? {} : { host: resolved.listenHost }),
          ...(local === undefined ? {} : { binding: local, families: local.families }),
          onWarning: (text) => this.#log.add('warn', text),
        })
      : undefined;
    this.#slots = new ConnectionSlots(resolved);
    const sendQueues = new SendQueues();
    const wire = new TcpWire(this.#heartbeat, resolved.encryption, sendQueues, binding);
    this.#listener = new PeerListener(wire, this.#slots, systemClock, binding);
    this.#dialer = new SlottedDialer(wire, this.#slots);
    this.#downloadBucket = new TokenBucket(resolved.downloadBytesPerSecond);
    this.#uploadBucket = new TokenBucket(resolved.uploadBytesPerSecond);
    this.#uplinkPacing = new UplinkPacing(systemClock, sendQueues, this.#uploadBucket, () =>
      this.torrents.some(({ phase }) => phase === 'downloading'),
    );
    this.#outside = new Outside({
      clock: systemClock,
      rng: systemRng,
      secretBytes,
      portMapping: resolved.portMapping,
      portGiven: resolved.listenPort !== null && resolved.listenPort !== 0,
      proxied: resolved.proxy !== undefined,
      ...(local === undefined ? {} : { binding: local }),
      onChange: (mapping) => {
        this.#log.add(...mappingLine(mapping));
        this.#dht?.review();
        for (const each of [...this.#torrents.values(), ...this.#fetches.values()]) each.portChanged();
      },
    });
    if (local !== undefined) {
      local.onLost = (why) => this.#onLost(why);
      local.onBack = () => void this.#onBack();
    }
    if (!resolved.dht) return;
    this.#dht = new DhtService({
      clock: systemClock,
      rng: systemRng,
      secretBytes,
      stateDir: resolved.stateDir,
      listenHost: resolved.listenHost,
      bound: local && { target: local.snapshot().target, binding: local, families: local.families },
      resolve,
      port: () => this.#listen?.port ?? 0,
      announcedPort: () => this.#outside.peerPort,
      isUnreachable: () => this.#outside.isUnreachable,
      bootstrap: resolved.dhtBootstrap,
      log: (level, text) => this.#log.add(level, text),
    });
  }

  /**
   * Starts an engine: binds its port, or sees that its proxy answers; opens nothing else.
   * @throws SwarmError USAGE_INVALID_OPTION, ADDRESS_UNAVAILABLE
   */
  static async create(options: EngineOptions = {}): Promise<Engine> {
    const resolved = resolveEngineOptions(options, thisMachine());
    const egress = await openEgress(resolved);
    const engine = new Engine(resolved, egress);
    if (egress.local?.snapshot().pinned === false)
      engine.#log.add('warn', `this system keeps packets on ${resolved.bind} by its routes alone`);
    try {
      const { proxy } = egress.binding;
      if (proxy !== undefined) await greetProxy(proxy);
      await engine.#bind();
    } catch (thrown) {
      await engine.close();
      throw thrown;
    }
    return engine;
  }

  /** Where peers reach us; null when not listening. */
  get listen(): EngineSnapshot['listen'] {
    return this.#listen;
  }

  /** How the world reaches us: a part of the snapshot that costs little. */
  get outside(): Pick<EngineSnapshot, 'listen' | 'portMapping' | 'reachability'> {
    return { listen: this.#listen, ...this.#outside.snapshot() };
  }

  /** The interface or address that everything is sent from; null where none was named. */
  get binding(): EngineSnapshot['binding'] {
    return this.#egress.local?.snapshot() ?? null;
  }

  get torrents(): readonly Torrent[] {
    return [...this.#torrents.values()];
  }

  /**
   * Adds a torrent: checks what is on disk, then fetches and serves it, until `torrent.stop()`.
   * @param source a torrent file's bytes, or what `parseTorrent` made of them
   * @throws SwarmError TORRENT_… for bytes that are no good torrent, USAGE_INVALID_OPTION when it is here already,
   *   STORAGE_IN_USE when another torrent here writes one of its files, or would have it written by this one
   */
  add(source: Uint8Array | Metainfo, options: AddOptions = {}): Torrent {
    if (this.#closed !== undefined) throw new SwarmError('CLOSED', 'the engine is closed');
    const metainfo = source instanceof Uint8Array ? parseTorrent(source) : source;
    const { infoHash } = metainfo;
    this.#assertAbsent(infoHash, 'torrents');
    const torrent = new Torrent(metainfo, options, this.#host());
    this.#torrents.set(infoHash, torrent);
    const met = this.#fetches.get(infoHash)?.handOver((peers) => torrent.addPeers(peers));
    if (met !== undefined) torrent.goOnWith(met);
    return torrent;
  }

  /**
   * Fetches what a magnet names from the peers that it leads to; `add` with the outcome then goes on with these peers.
   * @param source a link, or what `parseMagnet` made of it
   * @throws SwarmError INPUT_INVALID for what is no magnet link, USAGE_INVALID_OPTION when its torrent is here already
   */
  fetchMetadata(source: string | Magnet, options: FetchOptions = {}): MetadataFetch {
    if (this.#closed !== undefined) throw new SwarmError('CLOSED', 'the engine is closed');
    const magnet = typeof source === 'string' ? parseMagnet(source) : source;
    const { infoHash } = magnet;
    this.#assertAbsent(infoHash);
    const tiers = magnet.trackers.map((url) => [url]);
    const fetch = new MetadataFetch(magnet, options, {
      clock: systemClock,
      rng: systemRng,
      dialer: this.#dialer,
      listener: this.#listener,
      stateDir: this.#options.stateDir,
      identity: this.#identityOf(infoHash, undefined),
      pex: this.#pexOf(undefined),
      onDhtNode: (address, by) => this.#dht?.addNode(address, by),
      sources: this.#sourcesOf({ infoHash, tiers, isPrivate: false }),
      resolve: this.#egress.resolve,
      log: (level, text) => this.#log.add(level, text),
      onClosed: (closed) => {
        if (this.#fetches.get(infoHash) === closed) this.#fetches.delete(infoHash);
      },
    });
    this.#fetches.set(infoHash, fetch);
    return fetch;
  }

  /**
   * Items (BEP 44) and estimates of swarms (BEP 33) in the DHT, whose node is opened when it is not yet. Undefined
   * where there is none: the option `dht` is off, or no port can be had.
   */
  async openDht(): Promise<Dht | undefined> {
    return this.#closed === undefined ? await this.#dht?.open() : undefined;
  }

  /** Plain data for a display. */
  snapshot(): EngineSnapshot {
    const torrents = [...this.#torrents.values(), ...this.#fetches.values()].map((each) => each.snapshot());
    const { downloadBytesPerSecond, uploadBytesPerSecond } = this.#options;
    return {
      uptimeMs: systemClock.now() - this.#startedAt,
      downloadBytesPerSecond: sum(torrents.map((torrent) => torrent.downloadBytesPerSecond)),
      uploadBytesPerSecond: sum(torrents.map((torrent) => torrent.uploadBytesPerSecond)),
      limits: { downloadBytesPerSecond, uploadBytesPerSecond },
      listen: this.#listen,
      peerCount: sum(torrents.map((torrent) => torrent.connectedPeers)),
      halfOpenCount: this.#slots.halfOpen,
      arena: this.#storage.usage,
      binding: this.binding,
      ...this.#outside.snapshot(),
      dht: this.#dht?.snapshot() ?? null,
      torrents,
      log: this.#log.lines,
    };
  }

  /** Stops every torrent and frees everything: nothing stays open. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const stopped = [...this.#torrents.values(), ...this.#fetches.values()].map((each) => each.stop());
    await Promise.all([...stopped, this.#outside.close(), this.#dht?.close()]);
    this.#uplinkPacing.stop();
    this.#listener.close();
    this.#udp.close();
    this.#neighbours?.close();
    this.#egress.local?.close();
    await this.#storage.close();
  }

  async #bind(): Promise<void> {
    const { listenPort, listenHost } = this.#options;
    if (listenPort === null) return;
    await this.#listenAt(listenPort, this.#egress.local === undefined ? [listenHost] : this.#boundSources());
  }

  async #listenAt(port: number, [first, ...more]: readonly (string | Source | undefined)[]): Promise<void> {
    this.#listen = await this.#listener.listen(port, first);
    for (const host of more) await this.#listener.listen(this.#listen.port, host);
    const { host, port: tcpPort } = this.#listen;
    this.#outside.start({ host, tcpPort, udpPort: this.#dht === undefined ? undefined : tcpPort });
  }

  /** Of those that everything is sent from. @throws SwarmError USAGE_INVALID_OPTION when the user named another one */
  #boundSources(): readonly Source[] {
    const { listenHost, bind } = this.#options;
    const sources = this.#egress.local?.sources() ?? [];
    const chosen = sources.filter(({ host }) => listenHost === undefined || host === listenHost);
    if (chosen.length > 0) return chosen;
    throw new SwarmError('USAGE_INVALID_OPTION', `${listenHost} to listen on is not an address of ${bind}`, {
      option: 'listenHost',
      value: listenHost,
    });
  }

  #onLost(why: string): void {
    this.#log.add('error', `nothing is sent any more: ${this.#options.bind}: ${why}`);
    this.#dialer.pause();
    this.#listener.stopListening();
    this.#outside.lose();
  }

  async #onBack(): Promise<void> {
    this.#log.add('info', `${this.#options.bind} is back: going on`);
    try {
      if (this.#listen !== null) await this.#listenAt(this.#listen.port, this.#boundSources());
    } catch (error) {
      this.#log.add('warn', `nobody can connect to us: ${(error as Error).message}`);
    }
    if (this.#egress.local?.device === undefined) return;
    this.#dialer.resume();
    for (const each of [...this.#torrents.values(), ...this.#fetches.values()]) each.wantPeers();
  }

  #host(): TorrentHost {
    return {
      clock: systemClock,
      rng: systemRng,
      storage: this.#storage,
      dialer: this.#dialer,
      listener: this.#listener,
      fileClaims: this.#fileClaims,
      maxPeersPerTorrent: this.#options.maxPeersPerTorrent,
      downloadBucket: this.#downloadBucket,
      uploadBucket: this.#uploadBucket,
      identityOf: (metainfo) => this.#identityOf(metainfo.infoHash, metainfo),
      sourcesOf: ({ infoHash, trackers, dhtNodes, private: isPrivate }, more) => {
        if (!isPrivate) void this.#dht?.addNamedNodes(dhtNodes);
        return this.#sourcesOf({
          infoHash,
          tiers: more.length === 0 ? trackers : [more, ...trackers],
          isPrivate,
        });
      },
      pexOf: (metainfo) => this.#pexOf(metainfo),
      onIncoming: (host) => {
        this.#outside.onIncoming(host);
        this.#dht?.review();
      },
      onSeenAs: (from, host) => this.#outside.onSeenAs(from, host),
      onDhtNode: (address, by) => this.#dht?.addNode(address, by),
      ourAddresses: () => this.#ourAddresses(),
      log: (level, text) => this.#log.add(level, text),
      onClosed: (torrent) => this.#torrents.delete(torrent.metainfo.infoHash),
    };
  }

  #assertAbsent(infoHash: InfoHash, where: 'torrents' | 'anywhere' = 'anywhere'): void {
    const isFetched = where === 'anywhere' && this.#fetches.has(infoHash);
    if (!isFetched && !this.#torrents.has(infoHash)) return;
    throw new SwarmError('USAGE_INVALID_OPTION', `torrent ${infoHash} is in this engine already`, {
      infoHash,
    });
  }

  /** A magnet may turn out private; its peers are left then, and nothing that they told is kept. */
  #pexOf(metainfo: Metainfo | undefined): PexCodec | undefined {
    return metainfo?.private || !this.#options.pex ? undefined : pexCodec;
  }

  /** @param metainfo undefined while there is a magnet only */
  #identityOf(infoHash: InfoHash, metainfo: Metainfo | undefined): HandshakeIdentity {
    const outside = this.#outside;
    return {
      infoHash,
      peerId: this.#peerId,
      ...(this.#dht === undefined || metainfo?.private === true
        ? {}
        : { dhtPort: () => this.#dht?.port ?? 0 }),
      geometry: metainfo && new TorrentGeometry(metainfo.pieceLength, metainfo.totalBytes),
      extendedHandshake: {
        client: CLIENT_NAME,
        get listenPort() {
          return outside.peerPort;
        },
        requestQueue: MAX_QUEUED_REQUESTS,
        // Who may have a private torrent is its tracker's to say.
        ...(metainfo === undefined || metainfo.private ? {} : { metadataSize: metainfo.rawInfo.length }),
        extensions: this.#pexOf(metainfo) === undefined ? ['ut_metadata'] : ['ut_metadata', pexCodec.name],
      },
    };
  }

  /** Where others see us, as far as they agree. */
  #ourAddresses(): PeerAddress[] {
    const port = this.#outside.peerPort;
    return ([4, 6] as const).flatMap((family) => {
      const host = this.#outside.externalHost(family);
      return host === null ? [] : [{ host, port }];
    });
  }

  #sourcesOf({ infoHash, tiers, isPrivate }: Wanted): PeerSources {
    return new PeerSources((totals) => ({
      trackers: this.#trackersOf(infoHash, tiers, isPrivate, totals),
      others: isPrivate
        ? []
        : [this.#dht?.sourceOf(infoHash, totals), this.#neighbours?.source(infoHash)].filter(isDefined),
    }));
  }

  /** A name that is left to a proxy may have addresses of any. */
  #families(): readonly (4 | 6)[] {
    const { local, binding } = this.#egress;
    if (binding.proxy !== undefined) return [4, 6];
    return local?.families ?? familiesOf(this.#listen?.host);
  }

  #trackersOf(
    infoHash: InfoHash,
    tiers: Wanted['tiers'],
    isPrivate: boolean,
    totals: () => TransferTotals,
  ): TrackerSource | undefined {
    if (tiers.length === 0) return undefined;
    return new TrackerSource({
      tiers,
      identity: {
        infoHash,
        peerId: this.#peerId,
        key: this.#key,
        port: () => this.#outside.peerPort,
      },
      totals,
      clock: systemClock,
      rng: systemRng,
      udp: this.#udp,
      userAgent: USER_AGENT,
      firstTierOnly: isPrivate,
      // Only of addresses that somebody listens at.
      families: this.#families(),
      binding: this.#egress.binding,
      resolve: this.#egress.resolveToConnect,
    });
  }
}

/** What peers are looked for. */
interface Wanted {
  readonly infoHash: InfoHash;
  /** BEP 12. */
  readonly tiers: readonly (readonly string[])[];
  readonly isPrivate: boolean;
}

function mappingLine({
  state,
  message,
  protocol,
  externalHost,
}: PortMappingSnapshot): ['info' | 'warn', string] {
  if (state === 'mapped')
    return [
      'info',
      `the router forwards our ports by ${protocol}; its outer address is ${externalHost ?? 'unknown'}`,
    ];
  return state === 'failed'
    ? ['warn', `no port mapping: ${message}`]
    : ['info', 'asking the router to forward our ports'];
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
