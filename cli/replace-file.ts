/**
 * Writes a file that the user named: nothing that is there is overwritten unasked, and either the old file or the
 * whole of the new one is there, whenever we are stopped.
 */
import { constants } from 'node:fs';
import { access, lstat, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { printable, SwarmError, storageError } from '../engine/torrent-files.js';

/**
 * To be asked before hours of hashing, too.
 * @param overwrite a plain file (or a link, which then becomes one) may be replaced; never a folder or a device
 * @throws SwarmError STORAGE_…
 */
export async function assertWritable(file: string, overwrite: boolean): Promise<void> {
  const there = await lstat(file).catch(() => undefined);
  const isPlain = there?.isFile() === true || there?.isSymbolicLink() === true;
  if (there !== undefined && !(overwrite && isPlain)) {
    const hint = isPlain ? 'Choose another name, or overwrite it with --force.' : 'Choose another name.';
    const what = isPlain ? 'exists already' : there.isDirectory() ? 'is a folder' : 'is not a plain file';
    throw new SwarmError('STORAGE_EXISTS', `${printable(file)} ${what}`, { path: file }, { hint });
  }
  const folder = dirname(file);
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw storageError(error, folder);
    throw new SwarmError('STORAGE_MISSING', `there is no folder ${printable(folder)}`, { path: folder });
  }
}

/** @throws SwarmError STORAGE_… */
export async function replaceFile(file: string, bytes: Uint8Array, overwrite: boolean): Promise<void> {
  await assertWritable(file, overwrite);
  const partial = `${file}.${process.pid}.part`;
  try {
    await writeFile(partial, bytes, { flag: 'wx' });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw storageError(error, file);
  }
}

/** Whether such a file is there already. */
export async function hasContent(file: string, bytes: Uint8Array): Promise<boolean> {
  const there = await lstat(file).catch(() => undefined);
  if (there?.isFile() !== true || there.size !== bytes.length) return false;
  const content = await readFile(file).catch(() => undefined);
  return content?.equals(bytes) === true;
}
