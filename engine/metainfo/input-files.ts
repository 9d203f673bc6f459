/** Input files: finds what a torrent of a file or folder is made of, in torrent order. */
import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { SwarmError } from '../errors.js';

export interface InputFile {
  /** Below the input; empty for an input that is a file. */
  readonly names: readonly string[];
  readonly absolutePath: string;
  readonly lengthBytes: number;
}

export interface Input {
  readonly singleFile: boolean;
  readonly files: readonly InputFile[];
  /** Below the input: links that lead out of it or to a folder, pipes, sockets, devices. */
  readonly skipped: readonly string[];
}

/** Directories nested deeper could not be read back from the torrent. */
const MAX_DEPTH = 100;
const STATS_AT_ONCE = 64;

/**
 * All files, hidden and empty ones too, ordered by the bytes of their whole paths, as mktorrent does. Links to
 * files inside of the input are followed; those that lead out would publish what nobody named.
 * @param input absolute; itself it may be a link
 * @throws SwarmError INPUT_NOT_FOUND for what is not there or cannot be read, INPUT_INVALID for what is no file
 */
export async function findInputFiles(input: string, signal?: AbortSignal): Promise<Input> {
  const root = await readable(input, realpath(input));
  const stats = await readable(input, stat(root));
  if (stats.isFile()) {
    const file = { names: [], absolutePath: root, lengthBytes: stats.size };
    return { singleFile: true, files: [file], skipped: [] };
  }
  if (!stats.isDirectory())
    throw new SwarmError('INPUT_INVALID', `neither a file nor a folder: ${input}`, { path: input });

  const files: InputFile[] = [];
  const skipped: string[] = [];
  const folders: string[][] = [[]];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted();
    const path = join(root, ...folder);
    if (folder.length > MAX_DEPTH)
      throw new SwarmError('INPUT_INVALID', `folders nested deeper than ${MAX_DEPTH}: ${path}`, { path });
    const entries = await readable(path, readdir(path, { withFileTypes: true }));
    for (let i = 0; i < entries.length; i += STATS_AT_ONCE) {
      const some = entries.slice(i, i + STATS_AT_ONCE);
      const stats = await Promise.all(some.map((entry) => statEntry(entry, join(path, entry.name), root)));
      some.forEach((entry, j) => {
        const names = [...folder, entry.name];
        const lengthBytes = stats[j]?.size;
        if (entry.isDirectory()) folders.push(names);
        else if (lengthBytes === undefined) skipped.push(names.join('/'));
        else files.push({ names, absolutePath: join(path, entry.name), lengthBytes });
      });
    }
  }
  return { singleFile: false, files: sortByBytes(files), skipped: skipped.sort() };
}

/** Undefined for a folder, and for what does not belong into a torrent. */
async function statEntry(entry: Dirent, path: string, root: string): Promise<Stats | undefined> {
  if (entry.isFile()) {
    const stats = await readable(path, lstat(path));
    return stats.isFile() ? stats : undefined;
  }
  if (!entry.isSymbolicLink()) return undefined;
  try {
    const target = await realpath(path);
    if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined;
    const stats = await stat(target);
    return stats.isFile() ? stats : undefined;
  } catch {
    return undefined; // leads nowhere, or in a circle
  }
}

function sortByBytes(files: readonly InputFile[]): InputFile[] {
  return files
    .map((file) => ({ file, key: Buffer.from(file.names.join('/')) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ file }) => file);
}

async function readable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new SwarmError('INPUT_NOT_FOUND', `cannot read ${path} (${errno})`, { path, errno }, { cause });
  }
}
