/** Storage: the disk side of one engine. Opens torrents; owns what they share: arena, read cache, files, workers. */
import { resolve } from 'node:path';
import { SwarmError } from '../errors.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { Arena } from './arena.js';
import type { StorageParts } from './disk-store.js';
import { OpenFiles } from './open-files.js';
import { type OpenTorrentOptions, type OpenTorrentStore, openTorrentStore } from './open-torrent.js';
import { ReadCache } from './read-cache.js';
import { WriteWorkers } from './write-workers.js';

export type { OpenTorrentOptions, OpenTorrentStore } from './open-torrent.js';

export interface StorageOptions {
  /** Memory for pieces under way. */
  readonly arenaBytes: number;
  /** Memory for pieces being uploaded. */
  readonly readCacheBytes: number;
  /** Threads that hash and write. */
  readonly workers: number;
  /** Where resume data is kept. */
  readonly stateDir: string;
  /** Descriptors kept open, over all torrents. Default 256. */
  readonly maxOpenFiles?: number;
  /** Something did not work that the download can do without. */
  readonly onWarning?: (text: string) => void;
}

const DEFAULT_MAX_OPEN_FILES = 256;

export class Storage {
  readonly #options: StorageOptions;
  readonly #parts: StorageParts;
  readonly #open = new Set<OpenTorrentStore>();
  #closing: Promise<void> | undefined;

  /** Starts no thread and opens no file. */
  constructor(options: StorageOptions) {
    const arena = new Arena(options.arenaBytes);
    this.#options = options;
    this.#parts = {
      arena,
      cache: new ReadCache(options.readCacheBytes),
      openFiles: new OpenFiles(options.maxOpenFiles ?? DEFAULT_MAX_OPEN_FILES),
      workers: new WriteWorkers(options.workers, { memory: arena.memory }),
    };
  }

  /** Arena memory in use, and the bound on it. */
  get usage(): { usedBytes: number; totalBytes: number } {
    const { usedBytes, totalBytes } = this.#parts.arena;
    return { usedBytes, totalBytes };
  }

  /**
   * Looks at what is in `root`, checks what cannot be believed, and opens the torrent for reading and writing.
   * @throws SwarmError STORAGE_…; the signal's reason when aborted
   */
  async openTorrent(
    metainfo: Metainfo,
    root: string,
    options: OpenTorrentOptions = {},
  ): Promise<OpenTorrentStore> {
    this.#assertOpen();
    const { stateDir, onWarning = () => {} } = this.#options;
    const opened = await openTorrentStore(metainfo, resolve(root), options, this.#parts, {
      stateDir,
      onWarning,
    });
    const torrent: OpenTorrentStore = {
      ...opened,
      close: async () => {
        await opened.close();
        this.#open.delete(torrent);
      },
    };
    this.#open.add(torrent);
    // The storage may have been closed during the check.
    if (this.#closing !== undefined) await torrent.close();
    this.#assertOpen();
    return torrent;
  }

  /** Closes every torrent, then the threads; nothing stays open. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#open].map((torrent) => torrent.close()));
    await this.#parts.workers.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new SwarmError('CLOSED', 'the storage is closed');
  }
}
