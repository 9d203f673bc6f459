/** opentracker: a tracker that is not ours. Debian's build serves only the info-hashes that it is told. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './cleanup.js';
import { type Scope, startClient } from './clients.js';
import { freePort } from './free-port.js';
import type { NetworkSide } from './namespaces.js';
import { until } from './real-clients.js';

/** @returns its announce URL */
export async function startOpentracker(
  scope: Scope,
  side: NetworkSide,
  infoHashes: readonly string[],
): Promise<string> {
  const folder = await temporaryFolder(scope);
  // Its folder becomes its root, the list's path is inside that, and it reads as the user nobody.
  await chmod(folder, 0o755);
  await writeFile(join(folder, 'allowed'), infoHashes.map((hash) => `${hash}\n`).join(''));
  const [host] = side.hosts;
  const port = String(await freePort());
  const flags = ['-i', host, '-p', port, '-P', port, '-d', folder, '-w', 'allowed'];
  const [command = '', ...args] = [...side.prefix, 'opentracker', ...flags];
  const client = startClient(scope, command, args);
  await until('opentracker answers', () => {
    if (client.process.exitCode !== null) throw new Error(`opentracker ended:\n${client.output()}`);
    return fetch(`http://${host}:${port}/stats`).then(
      () => true,
      () => false,
    );
  });
  return `http://${host}:${port}/announce`;
}
