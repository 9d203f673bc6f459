/** Trackers for tests: ours in this process or opentracker, and waiting until one knows of a seed. */
import { startTracker } from '../../tracker/index.js';
import type { ClientName, Scope } from './clients.js';
import { freePort } from './free-port.js';
import type { NetworkSide } from './namespaces.js';
import { startOpentracker } from './opentracker.js';
import { until } from './real-clients.js';
import { httpTransport } from './tracker-clients.js';

export interface TestTracker {
  readonly name: string;
  readonly needs: readonly ClientName[];
  /** @returns its HTTP announce URL; UDP answers at the same port */
  start(scope: Scope, side: NetworkSide, infoHashes: readonly string[]): Promise<string>;
}

export const ourTracker: TestTracker = {
  name: 'our tracker',
  needs: [],
  async start(scope, { hosts: [host] }) {
    const at = { host, port: await freePort() };
    const tracker = await startTracker({ http: at, udp: at });
    scope.after(() => tracker.close());
    return `http://${host.includes(':') ? `[${host}]` : host}:${at.port}/announce`;
  },
};

export const opentracker: TestTracker = {
  name: 'opentracker',
  needs: ['opentracker'],
  start: startOpentracker,
};

/** Resolves when the tracker at `announceUrl` knows `count` seeds of the torrent. */
export async function seedsAnnounced(announceUrl: string, infoHash: string, count = 1): Promise<void> {
  const { hostname: host, port } = new URL(announceUrl);
  const tracker = httpTransport({ host, port: Number(port) });
  await until(`${count} seeds of ${infoHash} at ${announceUrl}`, async () => {
    const [counts] = await tracker.scrape([Buffer.from(infoHash, 'hex')]).catch(() => []);
    return counts !== undefined && counts.seeds >= count;
  });
}
