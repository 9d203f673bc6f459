/** Contenders: who downloads, each as its user would start it, to the end of its process. */
import { join } from 'node:path';
import { aria2Command } from '../test/support/aria2.js';
import { type CleanUp, temporaryFolder } from '../test/support/cleanup.js';
import type { ClientName } from '../test/support/clients.js';
import { libtorrentCommand } from '../test/support/libtorrent.js';
import { until } from '../test/support/real-clients.js';
import { buildRoot } from '../test/support/root.js';
import { swarmCommandLine } from '../test/support/swarm-command.js';
import { prepareTransmission } from '../test/support/transmission.js';
import { type Course, receivedFile } from './course.js';
import { measure, type Usage } from './measure.js';
import type { Seeders } from './seeders.js';

export interface Contender {
  readonly name: string;
  readonly needs: readonly ClientName[];
  readonly needsNamespaces: boolean;
  download(scope: CleanUp, course: Course, folder: string, seeders: Seeders): Promise<Usage>;
}

export const floor: Contender = {
  name: 'floor',
  needs: [],
  needsNamespaces: false,
  download(_scope, { network, totalBytes, pieceLength }, folder, { port }) {
    const to = [network.far.hosts[0], String(port), receivedFile(folder)];
    const program = join(buildRoot, 'bench/floor.js');
    const shape = [String(totalBytes), String(pieceLength)];
    return measure([...network.near.prefix, process.execPath, program, ...to, ...shape]);
  },
};

export const swarm = swarmWith([]);

/** @param more flags of the command */
export function swarmWith(more: readonly string[]): Contender {
  return {
    name: 'swarm',
    needs: [],
    needsNamespaces: false,
    async download(scope, { network, torrent }, folder) {
      const state = `XDG_STATE_HOME=${await temporaryFolder(scope)}`;
      const flags = ['--out', folder, '--listen', `${network.near.hosts[0]}:0`, '--quiet', ...more];
      return measure(['env', state, ...swarmCommandLine(network.near), 'get', torrent, ...flags]);
    },
  };
}

export const libtorrent = libtorrentWith({});

/** @param settings of the session, over the driver's own */
export function libtorrentWith(settings: Readonly<Record<string, unknown>>): Contender {
  return {
    name: 'libtorrent',
    needs: ['libtorrent'],
    needsNamespaces: false,
    download(_scope, { network, torrent }, folder) {
      return measure(
        libtorrentCommand(network.near, { torrents: [{ file: torrent, folder }], stay: false, settings }),
      );
    },
  };
}

export const aria2: Contender = {
  name: 'aria2',
  needs: ['aria2c'],
  needsNamespaces: false,
  async download(_scope, { network, torrent }, folder) {
    return measure(await aria2Command(network.near, { torrents: [torrent], folder }, ['--seed-time=0']));
  },
};

export const transmission: Contender = {
  name: 'Transmission',
  needs: ['transmission-daemon', 'ip netns'],
  needsNamespaces: true,
  async download(scope, { network, torrent }, folder) {
    const { command, daemon } = await prepareTransmission(scope, network.near);
    // It does not end by itself: its time ends when it says that it is done.
    const done = (async () => {
      await daemon.answers();
      await daemon.add({ torrents: [torrent], folder }, false);
      await until('transmission is complete', () => daemon.isComplete(), 300_000);
    })();
    return measure(command, done);
  },
};
