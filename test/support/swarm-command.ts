/** The real command, `swarm …`, of this build. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseTorrent } from '../../engine/index.js';
import { temporaryFolder } from './cleanup.js';
import { type RunningClient, type Scope, startClient } from './clients.js';
import type { NetworkSide } from './namespaces.js';
import type { RealClient } from './real-clients.js';
import { commandFile } from './root.js';

/** The command's arguments begin after these. */
export const swarmCommandLine = (side: NetworkSide): string[] => [
  ...side.prefix,
  process.execPath,
  commandFile,
];

/** @param stateHome folder for resume data, kept between runs that are to know of each other */
export function startSwarm(
  scope: Scope,
  side: NetworkSide,
  stateHome: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): RunningClient {
  const [command = process.execPath, ...rest] = [...swarmCommandLine(side), ...args];
  return startClient(scope, command, rest, { env: { ...process.env, XDG_STATE_HOME: stateHome, ...env } });
}

/** Resolves when it has ended by itself with exit code 0. */
export async function succeeded(client: RunningClient): Promise<void> {
  const [code] = (await once(client.process, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`swarm ended with ${code}:\n${client.output()}`);
}

export const swarmCommand: RealClient = {
  name: 'the swarm command',
  needs: [],
  needsNamespaces: false,
  speaksUdp: true,
  omitsEmptyFiles: false,
  async seed(scope, side, { torrents, folder }) {
    for (const torrent of torrents) {
      const path = join(folder, parseTorrent(await readFile(torrent)).name);
      const flags = ['--torrent', torrent, '--listen', `${side.hosts[0]}:0`, '--json'];
      startSwarm(scope, side, await temporaryFolder(scope), ['seed', path, ...flags]);
    }
  },
  async get(scope, side, { torrents, folder }) {
    const flags = ['--out', folder, '--listen', `${side.hosts[0]}:0`, '--json'];
    await succeeded(startSwarm(scope, side, await temporaryFolder(scope), ['get', ...torrents, ...flags]));
  },
};
