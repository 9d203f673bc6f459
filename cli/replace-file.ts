/** Replaces a file: either the old one or the whole of the new one is there, whenever we are stopped. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { storageError } from '../engine/torrent-files.js';

/** @throws SwarmError STORAGE_… */
export async function replaceFile(file: string, bytes: Uint8Array): Promise<void> {
  const partial = `${file}.${process.pid}.part`;
  try {
    await writeFile(partial, bytes, { flag: 'wx' });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw storageError(error, file);
  }
}
