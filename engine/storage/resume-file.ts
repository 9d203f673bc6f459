/**
 * Resume file: one torrent's resume data in the state folder. A checkpoint replaces it atomically; the write workers
 * append to it. It is never synced, which may wait for all of a slow disk: a kill loses nothing of it, and after a
 * power cut it is old or torn, which the reader finds out, and only files that had been at rest are believed.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bitfield } from '../policy/bitfield.js';
import type { FileFacts } from './file-facts.js';
import { makeFolder } from './make-folder.js';
import { encodeResumeLine, parseResume, type Resume } from './resume-lines.js';
import { readOwnFile, replaceOwnFile } from './state-files.js';

/** Some 250,000 files and 2,000,000 pieces; a larger one is not ours. */
const MAX_RESUME_BYTES = 256 * 1024 * 1024;

export class ResumeFile {
  readonly #path: string;
  readonly #stateDir: string;
  readonly #identity: { readonly infoHash: string; readonly root: string; readonly bootId: string };
  #handle: FileHandle | undefined;

  /** `root`: real path. The same torrent in two folders has two resume files. */
  constructor(stateDir: string, infoHash: string, root: string, bootId: string) {
    const folder = createHash('sha1').update(root).digest('hex').slice(0, 16);
    this.#stateDir = stateDir;
    this.#path = join(stateDir, `${infoHash}-${folder}.resume`);
    this.#identity = { infoHash, root, bootId };
  }

  /** For the workers to append to; -1 when there is none. */
  get fd(): number {
    return this.#handle?.fd ?? -1;
  }

  /** Undefined when there is none, or none that can be believed. Never rejects. */
  async read(fileCount: number): Promise<Resume | undefined> {
    try {
      const content = await readOwnFile(this.#path, MAX_RESUME_BYTES);
      const resume = parseResume(content.toString('utf8'), fileCount);
      const { infoHash, root } = this.#identity;
      return resume?.checkpoint.infoHash === infoHash && resume.checkpoint.root === root ? resume : undefined;
    } catch {
      return undefined;
    }
  }

  /** Replaces the file and opens it for appending. Rejects with the errno. */
  async begin(have: Bitfield, facts: FileFacts): Promise<void> {
    await makeFolder(this.#stateDir, 0o700);
    this.#handle = await this.#replace(have, facts);
  }

  /** Replaces the file for good. Rejects with the errno; then there is none. */
  async end(have: Bitfield, facts: FileFacts): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
    try {
      await (await this.#replace(have, facts)).close();
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** A file with lines missing would hide pieces that were written: better none, and a full check. Never rejects. */
  async discard(): Promise<void> {
    await rm(this.#path, { force: true }).catch(() => {});
  }

  async #replace(have: Bitfield, facts: FileFacts): Promise<FileHandle> {
    const line = encodeResumeLine({
      version: 1,
      ...this.#identity,
      timeMs: Date.now(),
      have: Buffer.from(have.toWire()).toString('base64'),
      files: facts.toStrings(),
    });
    return replaceOwnFile(this.#path, line);
  }
}

/** Names the time since the system started; empty where the system has no such name: nothing is believed then. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return '';
  }
}
