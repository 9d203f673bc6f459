/** A small DHT of our own nodes in this process, for others to join. */
import { randomBytes } from 'node:crypto';
import { openDatagramSocket } from '../../engine/discovery/dht/datagram-socket.js';
import { DhtNode } from '../../engine/discovery/dht/dht-node.js';
import { systemClock, systemRng } from '../../engine/system.js';
import type { PeerAddress } from '../../engine/units.js';
import type { Scope } from './clients.js';
import { until } from './real-clients.js';

export interface OurDht {
  readonly nodes: readonly DhtNode[];
  readonly addresses: readonly PeerAddress[];
}

/** `count` nodes of one host that know each other; closed when the scope ends. */
export async function startOurDht(scope: Scope, host: string, count: number): Promise<OurDht> {
  const nodes: DhtNode[] = [];
  const addresses: PeerAddress[] = [];
  for (let n = 0; n < count; n++) {
    const socket = await openDatagramSocket(host.includes(':') ? 6 : 4, 0, host);
    const entry = addresses.slice(0, 1);
    const node = new DhtNode({
      sockets: [socket],
      clock: systemClock,
      rng: systemRng,
      randomBytes,
      entryPoints: async () => entry,
    });
    scope.after(() => node.close());
    nodes.push(node);
    addresses.push({ host, port: socket.port });
    if (n === 0) continue;
    node.start();
    await until('our node joins', () => node.snapshot().state === 'ready' && node.snapshot().lookups === 0);
  }
  return { nodes, addresses };
}
