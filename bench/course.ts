/** Course: what every contender runs over: the content, its torrent, the network and the tracker between the two. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTorrent } from '../engine/metainfo/create.js';
import { type CleanUp, temporaryFolder } from '../test/support/cleanup.js';
import { writeContent } from '../test/support/content.js';
import { freePort } from '../test/support/free-port.js';
import type { Network } from '../test/support/namespaces.js';
import { startTracker } from '../tracker/index.js';

const CONTENT_NAME = 'content.bin';

export interface Course {
  readonly network: Network;
  /** Scratch, on the disk or memory that is measured. */
  readonly folder: string;
  /** Holds the content. */
  readonly source: string;
  readonly content: string;
  /** The torrent file; it names the tracker. */
  readonly torrent: string;
  readonly infoHash: string;
  readonly announceUrl: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
}

/** Writes the content below `parent` and makes its torrent. */
export async function layCourse(
  scope: CleanUp,
  network: Network,
  totalBytes: number,
  parent: string,
): Promise<Course> {
  const folder = await temporaryFolder(scope, parent);
  const source = join(folder, 'source');
  const content = join(source, CONTENT_NAME);
  await writeContent(content, totalBytes, 'bench');
  const announceUrl = `http://${network.near.hosts[0]}:${await freePort()}/announce`;
  const { bytes, metainfo } = await createTorrent(content, { trackers: [[announceUrl]] });
  const torrent = join(folder, 'content.torrent');
  await writeFile(torrent, bytes);
  const { infoHash, pieceLength } = metainfo;
  return { network, folder, source, content, torrent, infoHash, announceUrl, totalBytes, pieceLength };
}

/** A tracker that has heard of nobody yet. */
export async function openTracker(scope: CleanUp, course: Course): Promise<void> {
  const { hostname: host, port } = new URL(course.announceUrl);
  const tracker = await startTracker({ http: { host, port: Number(port) } });
  scope.after(() => tracker.close());
}

/** An empty folder to download into. */
export async function emptyFolder(scope: CleanUp, course: Course): Promise<string> {
  const folder = join(course.folder, 'received');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  scope.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export const receivedFile = (folder: string): string => join(folder, CONTENT_NAME);
