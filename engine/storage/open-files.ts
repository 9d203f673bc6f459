/**
 * Open files: at most so many descriptors for all torrents of an engine, least recently used closed first. A
 * pinned one is with a worker or being read, and stays. A descriptor has exactly one owner: this table.
 */
import { close } from 'node:fs';

/** Names a file of an open torrent for as long as the engine lives. */
export type FileKey = number;

interface OpenFile {
  readonly fd: number;
  readonly isWritable: boolean;
  pins: number;
}

export class OpenFiles {
  readonly #limit: number;
  /** In order of use. */
  readonly #files = new Map<FileKey, OpenFile>();
  readonly #dropped = new Map<number, OpenFile>();
  #lastKey = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns the key of the torrent's first file; the others follow it */
  reserveKeys(count: number): FileKey {
    const first = this.#lastKey;
    this.#lastKey += count;
    return first;
  }

  /** Pins the file if it is open as needed; -1 if not. */
  pin(key: FileKey, needsWrite: boolean): number {
    const file = this.#files.get(key);
    if (file === undefined || (needsWrite && !file.isWritable)) return -1;
    file.pins++;
    this.#files.delete(key);
    this.#files.set(key, file);
    return file.fd;
  }

  /** Takes over `fd`, opened for `key`, and pins it. @returns the descriptor to use from now on */
  adopt(key: FileKey, fd: number, isWritable: boolean): number {
    const present = this.#files.get(key);
    if (present !== undefined && (present.isWritable || !isWritable)) {
      closeQuietly(fd);
      return this.pin(key, false);
    }
    if (present !== undefined) this.#drop(key, present);
    this.#files.set(key, { fd, isWritable, pins: 1 });
    this.#trim();
    return fd;
  }

  unpin(key: FileKey, fd: number): void {
    const file = this.#files.get(key);
    if (file?.fd === fd) {
      file.pins--;
      this.#trim();
      return;
    }
    const dropped = this.#dropped.get(fd);
    if (dropped === undefined || --dropped.pins > 0) return;
    this.#dropped.delete(fd);
    closeQuietly(fd);
  }

  /** Closes the files of a torrent; the pinned ones when they are unpinned. */
  dropKeys(first: FileKey, count: number): void {
    for (const [key, file] of this.#files) {
      if (key >= first && key < first + count) this.#drop(key, file);
    }
  }

  #trim(): void {
    if (this.#files.size <= this.#limit) return;
    for (const [key, file] of this.#files) {
      if (file.pins > 0) continue;
      this.#drop(key, file);
      if (this.#files.size <= this.#limit) return;
    }
  }

  #drop(key: FileKey, file: OpenFile): void {
    this.#files.delete(key);
    if (file.pins === 0) closeQuietly(file.fd);
    else this.#dropped.set(file.fd, file);
  }
}

function closeQuietly(fd: number): void {
  // Nothing is buffered in us, and what close reports (NFS) comes too late to be told apart from a lost cache.
  close(fd, () => undefined);
}
