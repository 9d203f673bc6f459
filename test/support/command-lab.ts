/** A laboratory for `swarm get` and `swarm seed`: a folder, content with its torrents, a tracker and a seed. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Engine, type EngineOptions, type Metainfo } from '../../engine/index.js';
import { createTorrent } from '../../engine/metainfo/create.js';
import { startTracker } from '../../tracker/index.js';
import { type CleanUp, cleanUpOf, temporaryFolder } from './cleanup.js';
import { type Ended, type RunningCli, type SpawnOptions, spawnCli } from './cli.js';
import { assertSameContent, writeContent } from './content.js';

const HOST = '127.0.0.1';
const PIECE_BYTES = 16_384;

export interface LabTorrent {
  /** Path of the torrent file. */
  readonly file: string;
  readonly metainfo: Metainfo;
  /** Path of the content. */
  readonly source: string;
}

export class CommandLab {
  /** The commands run here, and `get` downloads to here. */
  readonly here: string;
  readonly #cleanUp: CleanUp;

  private constructor(
    readonly folder: string,
    cleanUp: CleanUp,
  ) {
    this.here = join(folder, 'here');
    this.#cleanUp = cleanUp;
  }

  static async create(t: TestContext): Promise<CommandLab> {
    const cleanUp = cleanUpOf(t);
    const lab = new CommandLab(await temporaryFolder(cleanUp), cleanUp);
    await mkdir(lab.here);
    return lab;
  }

  /** Content of one file below `source/`, and its torrent. */
  file(name: string, lengthBytes: number, tracker?: string): Promise<LabTorrent> {
    return this.torrentOf(name, { '': lengthBytes }, tracker);
  }

  /** A folder of files, path → length, below `source/`, and its torrent. */
  async torrentOf(name: string, files: Record<string, number>, tracker?: string): Promise<LabTorrent> {
    const source = join(this.folder, 'source', name);
    for (const [path, lengthBytes] of Object.entries(files))
      await writeContent(join(source, path), lengthBytes, `${name} ${path}`);
    const { bytes, metainfo } = await createTorrent(source, {
      pieceLength: PIECE_BYTES,
      ...(tracker === undefined ? {} : { trackers: [[tracker]] }),
    });
    const file = join(this.folder, `${name}.torrent`);
    await writeFile(file, bytes);
    return { file, metainfo, source };
  }

  /** @returns its announce URL */
  async tracker(): Promise<string> {
    const tracker = await startTracker({ http: { host: HOST, port: 0 }, udp: null });
    this.#cleanUp.after(() => tracker.close());
    return `http://${HOST}:${tracker.http?.port}/announce`;
  }

  /** An engine in this process that serves the torrents. @returns HOST:PORT, for --peer */
  async seed(torrents: readonly LabTorrent[], options: EngineOptions = {}): Promise<string> {
    const engine = await Engine.create({
      listenHost: HOST,
      stateDir: join(this.folder, 'seed-state'),
      ...options,
    });
    this.#cleanUp.after(() => engine.close());
    for (const { metainfo } of torrents) {
      const out = join(this.folder, 'source');
      // Tests of what a download asks for need a seed that shows everything at once.
      const shown = { superSeed: 'off' } as const;
      await engine.add(metainfo, { out, readOnly: true, assumeComplete: true, ...shown }).completed;
    }
    const { host = HOST, port } = engine.listen ?? {};
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /** `swarm …argv`, killed when the test ends. Runs of one lab share their resume data. */
  start(argv: readonly string[], options: SpawnOptions = {}): RunningCli {
    const running = spawnCli(argv, {
      cwd: this.here,
      ...options,
      env: { ...process.env, XDG_STATE_HOME: join(this.folder, 'state'), ...options.env },
    });
    this.#cleanUp.after(async () => {
      running.child.kill('SIGKILL');
      await running.ended;
    });
    return running;
  }

  /** `swarm …argv`, which must end with this code. */
  async expect(code: number, argv: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
    const ended = await this.start(argv, options).ended;
    assert.equal(ended.code, code, `swarm ${argv.join(' ')}\n${ended.stdout}${ended.stderr}`);
    return ended;
  }

  /** What was downloaded to `folder` is the content of the torrent. */
  async assertGot({ source, metainfo }: LabTorrent, folder = this.here): Promise<void> {
    const path = join(folder, metainfo.name);
    if (metainfo.singleFile) assert.ok((await readFile(path)).equals(await readFile(source)), path);
    else await assertSameContent(path, source);
  }

  /** Runs when the test ends, before what was there earlier is taken away. */
  after(cleanUp: () => unknown): void {
    this.#cleanUp.after(cleanUp);
  }
}
