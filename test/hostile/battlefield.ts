/** Battlefield: a torrent, the honest seed that has it, and engines to be attacked; all gone when the test ends. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type AddOptions, Engine, type EngineOptions, type Torrent } from '../../engine/index.js';
import { createTorrent } from '../../engine/metainfo/create.js';
import type { Metainfo } from '../../engine/metainfo/metainfo.js';
import { type CleanUp, cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { sha256, writeContent } from '../support/content.js';
import { Attacker, type AttackerOptions, HOST } from './attacker.js';

const KIB = 1024;

export interface BattlefieldOptions {
  readonly bytes?: number;
  readonly pieceLength?: number;
}

export class Battlefield {
  readonly #attackers: Attacker[] = [];
  #engines = 0;

  private constructor(
    readonly scope: CleanUp,
    readonly base: string,
    readonly torrentFile: Uint8Array,
    readonly metainfo: Metainfo,
    readonly content: Buffer,
  ) {
    scope.after(() => {
      for (const attacker of this.#attackers) attacker.end();
    });
  }

  static async make(
    t: TestContext,
    { bytes = 4 * KIB * KIB, pieceLength = 64 * KIB }: BattlefieldOptions = {},
  ): Promise<Battlefield> {
    const scope = cleanUpOf(t);
    const base = await temporaryFolder(scope);
    const path = join(base, 'source', 'film.mkv');
    await writeContent(path, bytes, t.name);
    const { bytes: torrentFile, metainfo } = await createTorrent(path, { pieceLength });
    return new Battlefield(scope, base, torrentFile, metainfo, await readFile(path));
  }

  async engine(options: EngineOptions = {}): Promise<Engine> {
    const stateDir = join(this.base, `state-${this.#engines++}`);
    const engine = await Engine.create({ listenHost: HOST, stateDir, ...options });
    this.scope.after(() => engine.close());
    return engine;
  }

  /** An honest engine that has everything. */
  async seed(options: EngineOptions = {}): Promise<Engine> {
    const engine = await this.engine(options);
    const out = join(this.base, 'source');
    await engine.add(this.torrentFile, { out, readOnly: true, assumeComplete: true }).completed;
    return engine;
  }

  /** An engine that downloads into a folder of its own. Resolves when peers can connect to it. */
  async leech(
    add: AddOptions = {},
    options: EngineOptions = {},
  ): Promise<{ engine: Engine; torrent: Torrent }> {
    const engine = await this.engine(options);
    const torrent = engine.add(this.torrentFile, { out: this.out(engine), ...add });
    await new Promise<void>((resolve, reject) => {
      torrent.onEvent((event) => {
        if (event.type === 'checked') resolve();
        if (event.type === 'error') reject(new Error(event.message));
      });
    });
    // The listener is told right after the event.
    await new Promise(setImmediate);
    return { engine, torrent };
  }

  out(engine: Engine): string {
    return join(this.base, `out-${portOf(engine)}`);
  }

  async attack(engine: Engine, options: AttackerOptions = {}): Promise<Attacker> {
    const attacker = await Attacker.to(portOf(engine), this.metainfo.infoHash, options);
    this.#attackers.push(attacker);
    return attacker;
  }

  /** The true bytes of a block. */
  block(piece: number, begin: number, length: number): Uint8Array {
    const at = piece * this.metainfo.pieceLength + begin;
    return this.content.subarray(at, at + length);
  }

  async assertDownloaded(engine: Engine): Promise<void> {
    const path = (folder: string) => join(folder, this.metainfo.files[0]?.diskPath ?? '');
    assert.equal(await sha256(path(this.out(engine))), await sha256(path(join(this.base, 'source'))));
  }
}

export const portOf = (engine: Engine): number => engine.listen?.port ?? 0;
export const peerOf = (engine: Engine) => ({ host: HOST, port: portOf(engine) });
