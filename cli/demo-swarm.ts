/** Demo swarm: a tracker, a seed and some leechers, each an engine of its own, in one process on loopback. */
import { join } from 'node:path';
import { Engine, type EngineSnapshot, type Metainfo, type Torrent } from '../engine/index.js';
import { createTorrent } from '../engine/torrent-files.js';
import { makeFolder } from '../fixtures/folder.js';
import { type RunningTracker, startTracker } from '../tracker/index.js';

const HOST = '127.0.0.1';

export interface DemoPeer {
  readonly name: string;
  readonly engine: Engine;
  readonly torrent: Torrent;
  /** The folder that holds its copy. */
  readonly root: string;
}

export interface DemoOptions {
  /** An empty folder; the swarm keeps everything in it. */
  readonly base: string;
  readonly totalBytes: number;
  /** What each peer may send; 0 is without limit. */
  readonly uploadBytesPerSecond: number;
}

export class DemoSwarm {
  readonly peers: DemoPeer[] = [];
  readonly #options: DemoOptions;
  readonly #tracker: RunningTracker;

  private constructor(
    readonly metainfo: Metainfo,
    tracker: RunningTracker,
    options: DemoOptions,
  ) {
    this.#tracker = tracker;
    this.#options = options;
  }

  /** Makes the folder and its torrent, starts the tracker. Nobody is there yet. */
  static async create(options: DemoOptions): Promise<DemoSwarm> {
    const folder = await makeFolder(join(options.base, 'seed'), 'demo', options.totalBytes);
    const tracker = await startTracker({ http: { host: HOST, port: 0 }, udp: null });
    const { metainfo } = await createTorrent(folder, {
      trackers: [[`http://${HOST}:${tracker.http?.port}/announce`]],
    });
    return new DemoSwarm(metainfo, tracker, options);
  }

  async addSeed(): Promise<void> {
    await (await this.#add('seed', true)).torrent.completed;
  }

  async addLeecher(name: string): Promise<void> {
    await this.#add(name, false);
  }

  get leechers(): readonly DemoPeer[] {
    return this.peers.slice(1);
  }

  /** Resolves when every leecher has everything. */
  async completed(): Promise<void> {
    await Promise.all(this.leechers.map(({ torrent }) => torrent.completed));
  }

  /** All engines as if they were one, each torrent under its peer's name. */
  snapshot(): EngineSnapshot {
    const snapshots = this.peers.map(({ engine }) => engine.snapshot());
    const [first] = snapshots;
    if (first === undefined) throw new Error('the demo has not begun');
    const sum = (of: (snapshot: EngineSnapshot) => number) =>
      snapshots.reduce((total, snapshot) => total + of(snapshot), 0);
    return {
      ...first,
      downloadBytesPerSecond: sum((snapshot) => snapshot.downloadBytesPerSecond),
      uploadBytesPerSecond: sum((snapshot) => snapshot.uploadBytesPerSecond),
      limits: { downloadBytesPerSecond: 0, uploadBytesPerSecond: this.#options.uploadBytesPerSecond },
      peerCount: sum((snapshot) => snapshot.peerCount),
      halfOpenCount: sum((snapshot) => snapshot.halfOpenCount),
      arena: {
        usedBytes: sum((snapshot) => snapshot.arena.usedBytes),
        totalBytes: sum((snapshot) => snapshot.arena.totalBytes),
      },
      torrents: snapshots.flatMap(({ torrents }, i) =>
        torrents.map((torrent) => ({ ...torrent, name: this.peers[i]?.name ?? torrent.name })),
      ),
      log: snapshots.flatMap(({ log }) => log),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.peers.map(({ engine }) => engine.close()));
    await this.#tracker.close();
  }

  async #add(name: string, isSeed: boolean): Promise<DemoPeer> {
    const { base, uploadBytesPerSecond } = this.#options;
    const root = join(base, name);
    const engine = await Engine.create({
      listenHost: HOST,
      uploadBytesPerSecond,
      stateDir: join(base, 'state', name),
    });
    const torrent = engine.add(this.metainfo, {
      out: root,
      ...(isSeed ? { readOnly: true, assumeComplete: true } : {}),
    });
    const peer = { name, engine, torrent, root };
    this.peers.push(peer);
    return peer;
  }
}
