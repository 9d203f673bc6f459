/**
 * DHT service: the engine's DHT node. Loaded and opened when the first torrent needs it, on the port that peers
 * connect to, joined through what it knew last time or the bootstrap hosts, and saved at the end.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { uptime } from 'node:os';
import { join } from 'node:path';
import type { DhtNode } from './discovery/dht/dht-node.js';
import type { DhtSource } from './discovery/dht/dht-source.js';
import type { NodeTeller } from './discovery/dht/overlay.js';
import type { Resolve } from './discovery/resolve.js';
import type { SocketBinding } from './egress/socket-binding.js';
import { toSwarmError } from './errors.js';
import { familiesOf } from './ip-families.js';
import type { HostPort } from './options.js';
import type { Clock, PeerSource, PeerSourceHandler, Rng, TransferTotals } from './ports.js';
import type { DhtSnapshot } from './snapshot.js';
import { makeFolder } from './storage/make-folder.js';
import { readOwnFile, replaceOwnFile } from './storage/state-files.js';
import { withinTime } from './time-limit.js';
import type { InfoHash, PeerAddress } from './units.js';

/** What programs may ask of the DHT. */
export type Dht = Pick<DhtNode, 'scrape' | 'getImmutable' | 'getMutable' | 'putImmutable' | 'putMutable'>;

export interface DhtServiceOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly secretBytes: (length: number) => Uint8Array;
  readonly stateDir: string;
  /** Undefined: all addresses. */
  readonly listenHost: string | undefined;
  /** Instead of `listenHost`. */
  readonly bound:
    | {
        /** What the user named. */
        readonly target: string;
        readonly binding: SocketBinding;
        readonly families: readonly (4 | 6)[];
      }
    | undefined;
  /** The port to open, if it is free; 0 lets the system choose. */
  readonly port: () => number;
  /** Where the world reaches our peers' port; 0: nowhere. */
  readonly announcedPort: () => number;
  /** Nobody on the Internet can reach us. */
  readonly isUnreachable: () => boolean;
  readonly bootstrap: readonly HostPort[];
  readonly resolve: Resolve;
  readonly log: (level: 'info' | 'warn', text: string) => void;
}

/** 400 nodes of two families have 60 KB. */
const MAX_STATE_BYTES = 512 * 1024;
/** Nodes that are told before there is a node to take them, of each kind of teller. */
const MAX_EARLY_NODES = 200;
const RESOLVE_MS = 5_000;

/** Before any torrent needed it. */
const NOT_OPEN: DhtSnapshot = {
  state: 'off',
  nodes4: 0,
  nodes6: 0,
  port4: 0,
  port6: 0,
  externalHost4: null,
  externalHost6: null,
  readOnly: false,
  lookups: 0,
  queriesSent: 0,
  datagramsReceived: 0,
  datagramsDropped: 0,
  storedInfoHashes: 0,
  storedPeers: 0,
  storedItems: 0,
};

export class DhtService {
  readonly #options: DhtServiceOptions;
  readonly #earlyNodes: { readonly address: PeerAddress; readonly by: NodeTeller }[] = [];
  #opening: Promise<DhtNode | undefined> | undefined;
  #node: DhtNode | undefined;
  #port = 0;
  /** Nobody else's node has the ids of the state file. */
  #ownsState = false;
  #loaded: object = {};
  readonly #closing = new AbortController();
  #isClosed = false;

  constructor(options: DhtServiceOptions) {
    this.#options = options;
  }

  /** Where other nodes reach ours; 0 while it is not open. */
  get port(): number {
    return this.#port;
  }

  /** Peers of one torrent, which is not private. */
  sourceOf(infoHash: InfoHash, totals: () => TransferTotals): PeerSource {
    const { announcedPort, clock, rng } = this.#options;
    return new LateSource(async () => {
      const node = await this.open();
      if (node === undefined) return undefined;
      const { DhtSource } = await import('./discovery/dht/dht-source.js');
      return new DhtSource({ node, infoHash, isPrivate: false, port: announcedPort, totals, clock, rng });
    });
  }

  /** Somebody says that a node is there: a peer, local discovery. */
  addNode(address: PeerAddress, by: NodeTeller): void {
    if (this.#node !== undefined) this.#node.addNode(address, by);
    else if (this.#earlyNodes.filter((early) => early.by === by).length < MAX_EARLY_NODES)
      this.#earlyNodes.push({ address, by });
  }

  /** The same of a torrent, which may name them by names. Never rejects. */
  async addNamedNodes(nodes: readonly HostPort[]): Promise<void> {
    for (const address of await this.#resolve(nodes)) this.addNode(address, 'torrent');
  }

  /** What is known of who can reach us may have changed. */
  review(): void {
    this.#node?.setReadOnly(this.#options.isUnreachable());
  }

  snapshot(): DhtSnapshot {
    return this.#node?.snapshot() ?? NOT_OPEN;
  }

  /** Keeps what it knows for the next start. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closing.abort();
    const node = await this.#opening;
    if (node === undefined) return;
    const saved = node.save();
    node.close();
    const isWorthIt = (saved.v4?.nodes.length ?? 0) + (saved.v6?.nodes.length ?? 0) > 0;
    await this.#keep(isWorthIt ? saved : this.#loaded);
    if (this.#ownsState) openHere.delete(this.#statePath);
  }

  get #statePath(): string {
    const { stateDir, bound } = this.#options;
    return join(stateDir, stateFile(bound?.target));
  }

  /** The ids and nodes of another node that runs are its own to keep. */
  async #keep(state: object): Promise<void> {
    if (!this.#ownsState) return;
    const { stateDir, log } = this.#options;
    try {
      await makeFolder(stateDir, 0o700);
      await (await replaceOwnFile(this.#statePath, JSON.stringify(state))).close();
    } catch (error) {
      log('warn', `the DHT's nodes are not kept for the next start: ${(error as Error).message}`);
    }
  }

  /** Undefined when it cannot be opened. */
  open(): Promise<DhtNode | undefined> {
    this.#opening ??= this.#start().catch((thrown: unknown) => {
      this.#options.log('warn', `no DHT: ${toSwarmError(thrown).message}`);
      return undefined;
    });
    return this.#opening;
  }

  async #start(): Promise<DhtNode | undefined> {
    if (this.#isClosed) return undefined;
    const { clock, rng, secretBytes, bootstrap } = this.#options;
    const { DhtNode } = await import('./discovery/dht/dht-node.js');
    const [sockets, { openBy, openAt, ...saved }] = await Promise.all([this.#sockets(), this.#load()]);
    if (sockets.length === 0) return undefined;
    this.#loaded = saved;
    this.#ownsState = !openHere.has(this.#statePath) && !isRunning(openBy, openAt);
    const node = new DhtNode({
      sockets,
      clock,
      rng,
      randomBytes: secretBytes,
      saved,
      newIds: !this.#ownsState,
      entryPoints: () => this.#resolve(bootstrap),
    });
    if (this.#isClosed) {
      node.close();
      return undefined;
    }
    this.#node = node;
    this.#port = sockets[0]?.port ?? 0;
    this.review();
    // Begins with the entry points: whom peers name may all be of one mind.
    node.start();
    for (const { address, by } of this.#earlyNodes.splice(0)) node.addNode(address, by);
    if (this.#ownsState) openHere.add(this.#statePath);
    await this.#keep({ ...saved, openBy: process.pid, openAt: Date.now() });
    return node;
  }

  async #sockets() {
    const { openDatagramSocket } = await import('./discovery/dht/datagram-socket.js');
    const { openBoundDatagramSocket } = await import('./discovery/dht/bound-datagram-socket.js');
    const { bound, listenHost, port, log } = this.#options;
    const families = bound?.families ?? familiesOf(listenHost);
    const host = listenHost === '::' || listenHost === '0.0.0.0' ? undefined : listenHost;
    const open = async (family: 4 | 6, wanted: number) =>
      bound === undefined
        ? openDatagramSocket(family, wanted, host)
        : openBoundDatagramSocket(family, wanted, bound.binding);
    const opened = await Promise.all(
      families.map((family) =>
        open(family, port())
          // Another program may have the port for UDP.
          .catch(() => open(family, 0))
          .catch((thrown: unknown) => {
            if (families.length === 1)
              log('warn', `no DHT over IPv${family}: ${toSwarmError(thrown).message}`);
            return undefined;
          }),
      ),
    );
    return opened.flatMap((socket) => socket ?? []);
  }

  /** As it was written, or anything that somebody else wrote; `openBy` is the process whose node has these ids since `openAt`. */
  async #load(): Promise<Readonly<Record<string, unknown>>> {
    try {
      const content = await readOwnFile(this.#statePath, MAX_STATE_BYTES);
      const state: unknown = JSON.parse(content.toString('utf8'));
      return typeof state === 'object' && state !== null ? { ...state } : {};
    } catch {
      return {};
    }
  }

  async #resolve(nodes: readonly HostPort[]): Promise<PeerAddress[]> {
    const found = await Promise.all(
      nodes.map(async ({ host, port }) => {
        if (isIP(host) !== 0) return [{ host, port }];
        return (await this.#addressesOf(host)).map((each) => ({ host: each, port }));
      }),
    );
    return found.flat();
  }

  async #addressesOf(name: string): Promise<readonly string[]> {
    const resolve = (limited: AbortSignal) => this.#options.resolve(name, limited);
    return withinTime(RESOLVE_MS, resolve, this.#closing.signal).catch(() => []);
  }
}

/** State files of nodes in this process. */
const openHere = new Set<string>();

/** Another process, and not one that has ended since; what ran before the machine was started has. */
function isRunning(pid: unknown, since: unknown): boolean {
  if (typeof since === 'number' && since < Date.now() - uptime() * 1000) return false;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Our id comes of our address (BEP 42), and the nodes that we knew know it: with either, whoever is bound could be
 * recognised as who he is without.
 */
function stateFile(target: string | undefined): string {
  if (target === undefined) return 'dht.json';
  return `dht-${createHash('sha256').update(target).digest('hex').slice(0, 16)}.json`;
}

/** A source that takes a while to make: what is asked of it meanwhile is done then. */
class LateSource implements PeerSource {
  readonly #make: () => Promise<DhtSource | undefined>;
  #source: DhtSource | undefined;
  #handler: PeerSourceHandler | undefined;
  #isStopped = false;

  constructor(make: () => Promise<DhtSource | undefined>) {
    this.#make = make;
  }

  start(handler: PeerSourceHandler): void {
    if (this.#handler !== undefined) return;
    this.#handler = handler;
    void this.#make().then((source) => {
      if (this.#isStopped) return;
      this.#source = source;
      source?.start(handler);
    });
  }

  completed(): void {
    this.#source?.completed();
  }

  /** Starting looks for peers anyway. */
  wantPeers(): void {
    this.#source?.wantPeers();
  }

  portChanged(): void {
    this.#source?.portChanged();
  }

  async stop(withinMs: number): Promise<void> {
    this.#isStopped = true;
    await this.#source?.stop(withinMs);
  }
}
