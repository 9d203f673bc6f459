/** aria2 as a peer. */
import { once } from 'node:events';
import { type RunningClient, type Scope, startClient } from './clients.js';
import { freePort } from './free-port.js';
import type { NetworkSide } from './namespaces.js';
import type { Job, RealClient } from './real-clients.js';

export async function aria2Command(
  side: NetworkSide,
  { torrents, folder }: Job,
  more: readonly string[],
): Promise<string[]> {
  return [
    ...side.prefix,
    'aria2c',
    '--no-conf',
    `--dir=${folder}`,
    `--interface=${side.hosts[0]}`,
    `--listen-port=${await freePort()}`,
    `--stop-with-process=${process.pid}`,
    '--enable-dht=false',
    '--enable-dht6=false',
    '--disable-ipv6=true',
    '--bt-enable-lpd=false',
    '--file-allocation=none',
    '--console-log-level=notice',
    '--summary-interval=0',
    ...more,
    ...torrents,
  ];
}

export async function startAria2(
  scope: Scope,
  side: NetworkSide,
  job: Job,
  more: readonly string[],
): Promise<RunningClient> {
  const [command = 'aria2c', ...args] = await aria2Command(side, job, more);
  return startClient(scope, command, args);
}

export const aria2 = aria2With('aria2', []);

/** @param flags after our own */
export function aria2With(name: string, flags: readonly string[]): RealClient {
  return {
    name,
    needs: ['aria2c'],
    needsNamespaces: false,
    speaksUdp: false,
    omitsEmptyFiles: false,
    async seed(scope, side, job) {
      await startAria2(scope, side, job, ['--check-integrity=true', '--seed-ratio=0.0', ...flags]);
    },
    async get(scope, side, job) {
      const client = await startAria2(scope, side, job, ['--seed-time=0', ...flags]);
      const [code] = (await once(client.process, 'exit')) as [number | null];
      if (code !== 0) throw new Error(`aria2c ended with ${code}:\n${client.output()}`);
    },
  };
}
