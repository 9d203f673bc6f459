/** Torrent files: looks at a torrent's files before it starts, and makes what can be made without data. */
import { close, fstat, write } from 'node:fs';
import { lstat, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { storageError } from '../errors.js';
import type { MetainfoFile } from '../metainfo/metainfo.js';
import type { FileFacts } from './file-facts.js';
import { makeFolder } from './make-folder.js';
import { CREATE_FLAGS, openSafely, unsafePath } from './safe-open.js';

/** File system calls under way at once. */
const PARALLEL = 16;
const ZEROS_BYTES = 1024 * 1024;

const closeAsync = promisify(close);
const fstatAsync = promisify(fstat);
const writeAsync = promisify(write);

/** The real path of the download folder, made if need be. @throws SwarmError */
export async function openRoot(root: string, create: boolean): Promise<string> {
  try {
    if (create) await makeFolder(root);
    return await realpath(root);
  } catch (error) {
    throw storageError(error, root);
  }
}

/**
 * Notes size and modification time of every file. Files longer than the torrent says are left as they are: what
 * is beyond belongs to somebody else, and no piece covers it.
 * @throws SwarmError STORAGE_UNSAFE_PATH for a link or anything that is not a plain file in a folder
 */
export async function lookAtFiles(
  root: string,
  files: readonly MetainfoFile[],
  facts: FileFacts,
): Promise<void> {
  const folders = new Map<string, Promise<boolean>>();
  const isSafeFolder = (folder: string): Promise<boolean> => {
    const known = folders.get(folder);
    if (known !== undefined) return known;
    const found = realFolder(folder);
    folders.set(folder, found);
    return found;
  };
  await forEachParallel(files, async (file, index) => {
    if (file.padding) return;
    const path = join(root, file.diskPath);
    try {
      const stats = (await isSafeFolder(dirname(path)))
        ? await lstat(path, { bigint: true }).catch(undefinedIfMissing)
        : undefined;
      if (stats === undefined) return facts.set(index, -1n, 0n);
      if (!stats.isFile()) throw unsafePath(path);
      facts.set(index, stats.size, stats.mtimeNs);
    } catch (error) {
      throw storageError(error, path);
    }
  });
}

/**
 * Makes the folders of the files that wanted pieces reach into (`isTouched`), and the wanted files that have no
 * bytes. Nothing makes folders later, so one that is missing then has vanished.
 * @throws SwarmError
 */
export async function makeSkeleton(
  root: string,
  files: readonly MetainfoFile[],
  isWanted: (file: number) => boolean,
  isTouched: (file: number) => boolean,
  facts: FileFacts,
): Promise<void> {
  const made = new Set<string>(['.']);
  for (const [index, file] of files.entries()) {
    if (file.padding || !(isWanted(index) || isTouched(index))) continue;
    const path = join(root, file.diskPath);
    try {
      await makeFolders(root, dirname(file.diskPath), made);
      if (file.lengthBytes > 0 || !isWanted(index) || facts.exists(index)) continue;
      await closeAsync(await openSafely(root, file.diskPath, CREATE_FLAGS, modeOf(file)));
    } catch (error) {
      throw storageError(error, path);
    }
  }
}

/** Gives the wanted files all their bytes, zeros where there were none. @throws SwarmError, or the signal's reason */
export async function preallocate(
  root: string,
  files: readonly MetainfoFile[],
  isWanted: (file: number) => boolean,
  signal: AbortSignal | undefined,
  onProgress?: (share: number) => void,
): Promise<void> {
  const zeros = Buffer.alloc(ZEROS_BYTES);
  const needsBytes = (file: MetainfoFile, index: number) => !file.padding && isWanted(index);
  const totalBytes = files.reduce((sum, file, i) => sum + (needsBytes(file, i) ? file.lengthBytes : 0), 0);
  let doneBytes = 0;
  for (const [index, file] of files.entries()) {
    if (!needsBytes(file, index) || file.lengthBytes === 0) continue;
    const path = join(root, file.diskPath);
    try {
      const fd = await openSafely(root, file.diskPath, CREATE_FLAGS, modeOf(file));
      try {
        for (let at = (await fstatAsync(fd)).size; at < file.lengthBytes; ) {
          signal?.throwIfAborted();
          at += (await writeAsync(fd, zeros, 0, Math.min(zeros.length, file.lengthBytes - at), at))
            .bytesWritten;
          onProgress?.((doneBytes + at) / totalBytes);
        }
        doneBytes += file.lengthBytes;
      } finally {
        await closeAsync(fd);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw storageError(error, path);
    }
  }
}

/** BEP 47: an executable file, as far as the umask lets it be. */
const modeOf = (file: MetainfoFile): number => (file.executable ? 0o777 : 0o666);

/** False when it does not exist; throws ELOOP when it is reached through a link. */
async function realFolder(folder: string): Promise<boolean> {
  const real = await realpath(folder).catch(undefinedIfMissing);
  if (real !== undefined && real !== folder) throw unsafePath(folder);
  return real !== undefined;
}

async function makeFolders(root: string, relative: string, made: Set<string>): Promise<void> {
  if (made.has(relative)) return;
  await makeFolders(root, dirname(relative), made);
  const folder = join(root, relative);
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (!(await realFolder(folder))) throw unsafePath(folder);
  made.add(relative);
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

async function forEachParallel<T>(
  items: readonly T[],
  run: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await run(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
}
