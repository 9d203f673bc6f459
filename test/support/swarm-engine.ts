/** Our engine, in this process, as a peer among the real clients. */
import { readFile } from 'node:fs/promises';
import { Engine, type EngineOptions, type Torrent } from '../../engine/index.js';
import { temporaryFolder } from './cleanup.js';
import type { Scope } from './clients.js';
import type { NetworkSide } from './namespaces.js';
import type { RealClient } from './real-clients.js';

/** An engine with resume data of its own, at this process's side of the network. */
export async function startEngine(
  scope: Scope,
  { hosts: [listenHost] }: NetworkSide,
  options: EngineOptions = {},
): Promise<Engine> {
  const stateDir = await temporaryFolder(scope);
  const engine = await Engine.create({ listenHost, stateDir, ...options });
  scope.after(() => engine.close());
  return engine;
}

/** Fails as the torrent fails. */
export async function allCompleted(torrents: readonly Torrent[]): Promise<void> {
  await Promise.all(torrents.map((torrent) => torrent.completed));
}

export const swarmEngine: RealClient = {
  name: 'swarm',
  needs: [],
  needsNamespaces: false,
  speaksUdp: true,
  omitsEmptyFiles: false,
  async seed(scope, side, { torrents, folder }) {
    const engine = await startEngine(scope, side);
    for (const file of torrents) engine.add(await readFile(file), { out: folder, readOnly: true });
  },
  async get(scope, side, { torrents, folder }) {
    const engine = await startEngine(scope, side);
    const files = await Promise.all(torrents.map((file) => readFile(file)));
    await allCompleted(files.map((bytes) => engine.add(bytes, { out: folder })));
    await engine.close();
  },
};
