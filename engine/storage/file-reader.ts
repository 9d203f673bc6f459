/** File reader: fills buffers from a torrent's files, whatever file boundaries lie between. */
import { readv } from 'node:fs';
import { storageError } from '../errors.js';
import type { FileLayout } from '../policy/file-layout.js';
import type { FileKey, OpenFiles } from './open-files.js';
import { openSafely, READ_FLAGS } from './safe-open.js';

export interface ReadableFile {
  readonly diskPath: string;
  readonly padding: boolean;
}

export class FileReader {
  readonly #root: string;
  readonly #files: readonly ReadableFile[];
  readonly #layout: FileLayout;
  readonly #openFiles: OpenFiles;
  readonly #firstKey: FileKey;
  readonly #reads = new Set<Promise<void>>();

  /** `root`: real path. `firstKey`: of the torrent's first file in `openFiles`. */
  constructor(
    root: string,
    files: readonly ReadableFile[],
    layout: FileLayout,
    openFiles: OpenFiles,
    firstKey: FileKey,
  ) {
    this.#root = root;
    this.#files = files;
    this.#layout = layout;
    this.#openFiles = openFiles;
    this.#firstKey = firstKey;
  }

  /**
   * Reads `length` bytes from `offset` of the torrent; `buffersFor(at, bytes)` are where a part of them goes.
   * @throws SwarmError STORAGE_…
   */
  read(offset: number, length: number, buffersFor: (at: number, length: number) => Buffer[]): Promise<void> {
    const reading = this.#read(offset, length, buffersFor).finally(() => this.#reads.delete(reading));
    this.#reads.add(reading);
    return reading;
  }

  /** Resolves when nothing is being read. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#reads);
  }

  async #read(
    offset: number,
    length: number,
    buffersFor: (at: number, length: number) => Buffer[],
  ): Promise<void> {
    const spans: [file: number, fileOffset: number, length: number, at: number][] = [];
    this.#layout.forEachSpan(offset, length, (...span) => spans.push(span));
    for (const [file, fileOffset, spanLength, at] of spans) {
      const buffers = buffersFor(at, spanLength);
      if (this.#files[file]?.padding) for (const buffer of buffers) buffer.fill(0);
      else await this.#readFile(file, fileOffset, buffers);
    }
  }

  async #readFile(file: number, position: number, buffers: Buffer[]): Promise<void> {
    const path = this.#files[file]?.diskPath ?? '';
    const key = this.#firstKey + file;
    try {
      let fd = this.#openFiles.pin(key, false);
      if (fd < 0) fd = this.#openFiles.adopt(key, await openSafely(this.#root, path, READ_FLAGS), false);
      try {
        await readFully(fd, position, buffers);
      } finally {
        this.#openFiles.unpin(key, fd);
      }
    } catch (error) {
      throw storageError(error, `${this.#root}/${path}`);
    }
  }
}

async function readFully(fd: number, position: number, buffers: Buffer[]): Promise<void> {
  let at = position;
  let rest = buffers;
  while (rest.length > 0) {
    const count = await readvOnce(fd, rest, at);
    // Shorter than what was verified: somebody cut the file.
    if (count === 0) throw Object.assign(new Error('the file has become shorter'), { code: 'ENOENT' });
    at += count;
    rest = withoutFirst(rest, count);
  }
}

function readvOnce(fd: number, buffers: Buffer[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    readv(fd, buffers, position, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

/** What is still to be filled after `count` bytes. */
function withoutFirst(buffers: Buffer[], count: number): Buffer[] {
  let left = count;
  let index = 0;
  while (index < buffers.length && left >= (buffers[index]?.length ?? 0))
    left -= buffers[index++]?.length ?? 0;
  const rest = buffers.slice(index);
  if (left > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(left);
  return rest;
}
