/**
 * Safe open: files below a root, never through a symbolic link, and nothing but regular files. Checked at every
 * open, because a link can be swapped in while a download runs. `root` must be a real path (fs.realpath).
 */
import {
  type BigIntStats,
  close,
  closeSync,
  constants,
  fstat,
  fstatSync,
  open,
  openSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { readlink, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

// O_NONBLOCK: a pipe put in a file's place must not hang the open. Neither flag exists on Windows.
const SAFE_FLAGS = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
export const READ_FLAGS = constants.O_RDONLY | SAFE_FLAGS;
export const WRITE_FLAGS = constants.O_RDWR | SAFE_FLAGS;
export const CREATE_FLAGS = WRITE_FLAGS | constants.O_CREAT;

const openAsync = promisify(open) as (path: string, flags: number, mode: number) => Promise<number>;
const fstatAsync = promisify(fstat);
const closeAsync = promisify(close) as (fd: number) => Promise<void>;

/** An error that storageError() names STORAGE_UNSAFE_PATH. */
export function unsafePath(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`leads out of the download folder, or is not a plain file: ${path}`), {
    code: 'ELOOP',
    path,
  });
}

/** For worker threads. @returns a file descriptor. Throws the errno; ELOOP when the path is not safe */
export function openSafelySync(root: string, relative: string, flags: number, mode = 0o666): number {
  const path = join(root, relative);
  if (realpathSync.native(dirname(path)) !== dirname(path)) throw unsafePath(path);
  const fd = openSync(path, flags, mode);
  try {
    if (!fstatSync(fd).isFile()) throw unsafePath(path);
    checkOpened(readlinkOr(fd, path), path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** As openSafelySync, without blocking the thread. */
export async function openSafely(
  root: string,
  relative: string,
  flags: number,
  mode = 0o666,
): Promise<number> {
  const path = join(root, relative);
  if ((await realpath(dirname(path))) !== dirname(path)) throw unsafePath(path);
  const fd = await openAsync(path, flags, mode);
  try {
    const link =
      process.platform === 'linux' ? await readlink(`/proc/self/fd/${fd}`).catch(() => path) : path;
    checkOpened(link, path);
    if (!(await fstatAsync(fd)).isFile()) throw unsafePath(path);
    return fd;
  } catch (error) {
    await closeAsync(fd);
    throw error;
  }
}

/** The same file was opened that the path named: closes the gap between the check of the parent and the open. */
function checkOpened(link: string, path: string): void {
  if (link === path) return;
  if (link === `${path} (deleted)`) throw Object.assign(new Error('deleted'), { code: 'ENOENT', path });
  throw unsafePath(path);
}

function readlinkOr(fd: number, path: string): string {
  if (process.platform !== 'linux') return path;
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return path;
  }
}

/** A file that was removed while open still takes writes, and loses them. */
export function assertLinked(stats: BigIntStats, path: string): void {
  if (stats.nlink === 0n) throw Object.assign(new Error('removed while open'), { code: 'ENOENT', path });
}
