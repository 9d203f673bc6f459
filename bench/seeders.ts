/** Seeders: who feeds a contender. */
import { join } from 'node:path';
import type { CleanUp } from '../test/support/cleanup.js';
import { temporaryFolder } from '../test/support/cleanup.js';
import { type ClientName, startClient } from '../test/support/clients.js';
import { startLibtorrent } from '../test/support/libtorrent.js';
import { buildRoot } from '../test/support/root.js';
import { startSwarm } from '../test/support/swarm-command.js';
import { seedsAnnounced } from '../test/support/tracker-watch.js';
import type { Course } from './course.js';

export interface Seeders {
  readonly pids: readonly number[];
  /** Of the floor's sender, which no tracker knows. */
  readonly port?: number;
}

export interface SeederKind {
  readonly name: string;
  readonly needs: readonly ClientName[];
  /** Resolves when ready, and known to the tracker. */
  start(scope: CleanUp, course: Course): Promise<Seeders>;
}

const pidOf = ({ process }: { process: { pid?: number | undefined } }): number => process.pid ?? 0;

/** @param more flags of the command */
export const swarmSeeders = (count: number, more: readonly string[] = []): SeederKind => ({
  name: count === 1 ? 'swarm' : `${count} × swarm`,
  needs: [],
  async start(scope, course) {
    const { far } = course.network;
    const pids: number[] = [];
    for (let i = 0; i < count; i++) {
      const flags = ['--torrent', course.torrent, '--listen', `${far.hosts[0]}:0`, '--quiet', ...more];
      const args = ['seed', course.content, ...flags];
      pids.push(pidOf(startSwarm(scope, far, await temporaryFolder(scope), args)));
    }
    await seedsAnnounced(course.announceUrl, course.infoHash, count);
    return { pids };
  },
});

export const libtorrentSeeder = libtorrentSeederWith({});

/** @param settings of the session, over the driver's own */
export function libtorrentSeederWith(settings: Readonly<Record<string, unknown>>): SeederKind {
  return {
    name: 'libtorrent',
    needs: ['libtorrent'],
    async start(scope, course) {
      const torrents = [{ file: course.torrent, folder: course.source, seed: true }];
      const { client } = await startLibtorrent(scope, course.network.far, { torrents, settings });
      await seedsAnnounced(course.announceUrl, course.infoHash);
      return { pids: [pidOf(client)] };
    },
  };
}

export const frameSender: SeederKind = {
  name: 'frame sender',
  needs: [],
  async start(scope, course) {
    const { hosts, prefix } = course.network.far;
    const program = join(buildRoot, 'bench/frame-sender.js');
    const args = [program, hosts[0], course.content, String(course.pieceLength)];
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, ...args];
    const client = startClient(scope, command, rest);
    const [, port] = await client.printed(/"port":(\d+)/);
    return { pids: [pidOf(client)], port: Number(port) };
  },
};
