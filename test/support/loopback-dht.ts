/** Many DHT nodes of ours in this process, on real sockets on loopback. */
import { randomBytes } from 'node:crypto';
import { openDatagramSocket } from '../../engine/discovery/dht/datagram-socket.js';
import { DhtNode, type DhtNodeOptions } from '../../engine/discovery/dht/dht-node.js';
import { systemClock, systemRng } from '../../engine/system.js';
import type { PeerAddress } from '../../engine/units.js';
import type { FoundPeer } from './dht-lookups.js';

/** Who join at the same time. */
const AT_ONCE = 10;

const HOST = { 4: '127.0.0.1', 6: '::1' } as const;

/** A node of ours on loopback, not yet started. */
export async function loopbackNode(
  options: Partial<DhtNodeOptions> = {},
  families: readonly (4 | 6)[] = [4],
): Promise<{ node: DhtNode; address: PeerAddress }> {
  const sockets = await Promise.all(families.map((family) => openDatagramSocket(family, 0, HOST[family])));
  const node = new DhtNode({ sockets, clock: systemClock, rng: systemRng, randomBytes, ...options });
  return { node, address: { host: HOST[families[0] ?? 4], port: sockets[0]?.port ?? 0 } };
}

export class LoopbackDht {
  readonly nodes: DhtNode[] = [];
  joinMs = 0;
  /** Of the first node, which all join through. */
  port = 0;

  /** All join through the first one, a few at a time. Resolves when everybody knows its neighbourhood. */
  static async start(count: number): Promise<LoopbackDht> {
    const dht = new LoopbackDht();
    const begin = performance.now();
    const first = await loopbackNode();
    dht.nodes.push(first.node);
    dht.port = first.address.port;
    while (dht.nodes.length < count) {
      const entryPoints = () => Promise.resolve([first.address]);
      const some = Array.from({ length: Math.min(AT_ONCE, count - dht.nodes.length) }, async () => {
        const { node } = await loopbackNode({ entryPoints });
        dht.nodes.push(node);
        node.start();
        await joined(node);
      });
      await Promise.all(some);
    }
    // Who came early does not know who came late.
    for (const node of dht.nodes) await new Promise<void>((resolve) => node.refresh(resolve));
    dht.joinMs = performance.now() - begin;
    return dht;
  }

  kill(share: number): void {
    const count = Math.round(share * this.nodes.length);
    for (let i = 0; i < count; i++) {
      const at = Math.floor(Math.random() * this.nodes.length);
      for (const node of this.nodes.splice(at, 1)) node.close();
    }
  }

  /** One at random announces itself, and another looks for it. */
  async announceAndFind(): Promise<FoundPeer> {
    const infoHash = randomBytes(20);
    const port = 1 + Math.floor(Math.random() * 65_000);
    const told = await new Promise<number>((resolve) =>
      this.#pick().lookUpPeers({
        infoHash,
        onPeers: () => {},
        announce: { port, implied: false, seed: false },
        onDone: resolve,
      }),
    );
    if (told === 0) throw new Error('nobody took the announce');
    const start = performance.now();
    let firstMs: number | undefined;
    const queries = await new Promise<number>((resolve) =>
      this.#pick().lookUpPeers({
        infoHash,
        onPeers: (peers) => {
          if (peers.some((peer) => peer.port === port)) firstMs ??= performance.now() - start;
        },
        onDone: (_told, sent) => resolve(sent),
      }),
    );
    return { firstMs, completeMs: performance.now() - start, queries };
  }

  close(): void {
    for (const node of this.nodes) node.close();
  }

  #pick(): DhtNode {
    return this.nodes[Math.floor(Math.random() * this.nodes.length)] as DhtNode;
  }
}

async function joined(node: DhtNode): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (node.snapshot().state !== 'ready' || node.snapshot().lookups > 0) {
    if (performance.now() > deadline) throw new Error('the node did not join');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
