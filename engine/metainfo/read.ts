/** Read: a torrent file from the disk, however big or odd the path that was given. */
import { constants, open } from 'node:fs/promises';
import { SwarmError } from '../errors.js';
import type { Metainfo } from './metainfo.js';
import { MAX_TORRENT_BYTES, parseTorrent } from './parse.js';

/**
 * @throws SwarmError INPUT_NOT_FOUND when there is no file to read, INPUT_INVALID for what is no file, and
 *   whatever `parseTorrent` throws
 */
export async function readTorrentFile(path: string): Promise<{ bytes: Uint8Array; metainfo: Metainfo }> {
  const bytes = await readBounded(path).catch((cause: unknown) => {
    if (cause instanceof SwarmError) throw cause;
    const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new SwarmError('INPUT_NOT_FOUND', `cannot read ${path} (${errno})`, { path, errno }, { cause });
  });
  return { bytes, metainfo: parseTorrent(bytes) };
}

async function readBounded(path: string): Promise<Uint8Array> {
  // Opening a pipe must not wait for a writer.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new SwarmError('INPUT_INVALID', `not a file: ${path}`, { path });
    if (stats.size > MAX_TORRENT_BYTES) {
      throw new SwarmError(
        'TORRENT_TOO_LARGE',
        `${path} has ${stats.size} bytes; of a torrent file at most ${MAX_TORRENT_BYTES} are read`,
        { path, value: stats.size },
        { hint: 'Is that the content itself? swarm create makes a torrent of it.' },
      );
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}
