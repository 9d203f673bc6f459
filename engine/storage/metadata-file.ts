/** Metadata file: the `info` dictionary of a magnet in the state folder, so that a restart needs no peer for it. */
import { join } from 'node:path';
import type { InfoHash } from '../units.js';
import { makeFolder } from './make-folder.js';
import { readOwnFile, replaceOwnFile } from './state-files.js';

/** Unchecked: the caller hashes it. Undefined when there is none. Never rejects. */
export async function loadMetadata(
  stateDir: string,
  infoHash: InfoHash,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  return readOwnFile(pathOf(stateDir, infoHash), maxBytes).catch(() => undefined);
}

/** Rejects with the errno. */
export async function saveMetadata(stateDir: string, infoHash: InfoHash, bytes: Uint8Array): Promise<void> {
  await makeFolder(stateDir, 0o700);
  await (await replaceOwnFile(pathOf(stateDir, infoHash), bytes)).close();
}

const pathOf = (stateDir: string, infoHash: InfoHash): string => join(stateDir, `${infoHash}.info`);
