/** State files: what the engine keeps for itself in its state folder, read with care and replaced as a whole. */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

/**
 * A file that somebody else put here would make us serve and report as verified what nobody verified: only a plain
 * file of our own is read, and a pipe in its place does not keep us waiting. Rejects otherwise.
 */
export async function readOwnFile(path: string, maxBytes: number): Promise<Buffer> {
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = constants;
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = await handle.stat();
    const isOurs = process.getuid === undefined || stats.uid === process.getuid();
    if (!stats.isFile() || !isOurs || stats.size > maxBytes) throw new Error('not a file of ours');
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** Atomically, and open for appending. Rejects with the errno; then the file is as before. */
export async function replaceOwnFile(path: string, content: string | Uint8Array): Promise<FileHandle> {
  // Two processes at one torrent must not share the temporary file.
  const temporary = `${path}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = constants;
  const handle = await open(temporary, O_APPEND | O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    await handle.writeFile(content);
    await rename(temporary, path);
    return handle;
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
}
