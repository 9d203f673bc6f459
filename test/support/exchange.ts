/** One exchange: content and its torrents in a folder, and an empty folder to receive it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTorrent } from '../../engine/metainfo/create.js';
import { type CleanUp, temporaryFolder } from './cleanup.js';

/** Writes content at `path`, which does not exist yet. */
export type WriteContent = (path: string) => Promise<void>;

export interface MadeTorrent {
  /** Path of the torrent file. */
  readonly file: string;
  readonly infoHash: string;
}

export class Exchange {
  readonly folder: string;
  /** Holds the content. */
  readonly source: string;
  readonly #pieceLength: number;

  private constructor(folder: string, pieceLength: number) {
    this.folder = folder;
    this.source = join(folder, 'source');
    this.#pieceLength = pieceLength;
  }

  /** Writes `content`, by name, into the source folder. */
  static async create(
    scope: CleanUp,
    pieceLength: number,
    content: Readonly<Record<string, WriteContent>>,
    parent?: string,
  ): Promise<Exchange> {
    const exchange = new Exchange(await temporaryFolder(scope, parent), pieceLength);
    await mkdir(exchange.source);
    for (const [name, write] of Object.entries(content)) await write(join(exchange.source, name));
    return exchange;
  }

  /** Makes the torrent of one name in the source folder. */
  async torrentOf(name: string, tracker?: string): Promise<MadeTorrent> {
    const { bytes, metainfo } = await createTorrent(join(this.source, name), {
      pieceLength: this.#pieceLength,
      ...(tracker === undefined ? {} : { trackers: [[tracker]] }),
    });
    const file = join(this.folder, `${name}.torrent`);
    await writeFile(file, bytes);
    return { file, infoHash: metainfo.infoHash };
  }

  /** A folder for one who downloads. */
  async receiver(name = 'received'): Promise<string> {
    const folder = join(this.folder, name);
    await mkdir(folder);
    return folder;
  }
}
