/** The package bittorrent-dht on loopback: the same announces and lookups as `LoopbackDht` has for our nodes. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import DHT from 'bittorrent-dht';
import type { FoundPeer } from '../test/support/dht-lookups.js';

/** Who join at the same time. */
const AT_ONCE = 10;
/** Announces have arrived by then. */
const SETTLE_MS = 20;

export class PackageDht {
  readonly #nodes: DHT[] = [];
  joinMs = 0;

  static async start(count: number): Promise<PackageDht> {
    const dht = new PackageDht();
    const begin = performance.now();
    const first = await opened(false);
    dht.#nodes.push(first);
    const bootstrap = [`127.0.0.1:${first.address().port}`];
    while (dht.#nodes.length < count) {
      const missing = Math.min(AT_ONCE, count - dht.#nodes.length);
      dht.#nodes.push(...(await Promise.all(Array.from({ length: missing }, () => opened(bootstrap)))));
    }
    dht.joinMs = performance.now() - begin;
    return dht;
  }

  async kill(share: number): Promise<void> {
    const count = Math.round(share * this.#nodes.length);
    for (let i = 0; i < count; i++) {
      const at = Math.floor(Math.random() * this.#nodes.length);
      for (const node of this.#nodes.splice(at, 1)) await new Promise<void>((done) => node.destroy(done));
    }
  }

  async announceAndFind(): Promise<Omit<FoundPeer, 'queries'>> {
    const infoHash = randomBytes(20);
    const port = 1 + Math.floor(Math.random() * 65_000);
    await new Promise((done) => this.#pick().announce(infoHash, port, done));
    await sleep(SETTLE_MS);
    const searcher = this.#pick();
    const start = performance.now();
    let firstMs: number | undefined;
    const onPeer = (peer: { readonly port: number }): void => {
      if (peer.port === port) firstMs ??= performance.now() - start;
    };
    searcher.on('peer', onPeer);
    await new Promise((done) => searcher.lookup(infoHash, done));
    searcher.off('peer', onPeer);
    return { firstMs, completeMs: performance.now() - start };
  }

  async close(): Promise<void> {
    await this.kill(1);
  }

  #pick(): DHT {
    return this.#nodes[Math.floor(Math.random() * this.#nodes.length)] as DHT;
  }
}

async function opened(bootstrap: readonly string[] | false): Promise<DHT> {
  const node = new DHT({ bootstrap, host: '127.0.0.1' });
  node.on('error', () => {});
  await new Promise<void>((done) => {
    node.once('ready', done);
    node.listen(0, '127.0.0.1', () => {});
  });
  return node;
}
