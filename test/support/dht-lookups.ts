/** One node of a virtual population announces itself, and another looks for it. */
import type { Population } from './dht-population.js';
import type { VirtualInternet } from './virtual-internet.js';

export interface FoundPeer {
  /** Until the peer was known, after the start of the lookup; undefined: never. */
  readonly firstMs: number | undefined;
  readonly completeMs: number;
  readonly queries: number;
}

/** Announces have arrived by then. */
const SETTLE_MS = 1_000;

/** Both have just been restarted and know their routing tables only. @param port the announced peer's, its mark */
export function announceAndFind(
  internet: VirtualInternet,
  population: Population,
  infoHash: Uint8Array,
  port: number,
): FoundPeer {
  const announcer = population.searcher();
  let isOver = false;
  announcer.lookUpPeers({
    infoHash,
    onPeers: () => {},
    announce: { port, implied: false, seed: false },
    onDone: () => {
      isOver = true;
    },
  });
  internet.run(() => isOver);
  internet.run(() => false, SETTLE_MS);
  announcer.close();

  const searcher = population.searcher();
  const start = internet.clock.now();
  let firstMs: number | undefined;
  let queries = 0;
  isOver = false;
  searcher.lookUpPeers({
    infoHash,
    onPeers: (peers) => {
      if (peers.some((peer) => peer.port === port)) firstMs ??= internet.clock.now() - start;
    },
    onDone: (_told, sent) => {
      queries = sent;
      isOver = true;
    },
  });
  internet.run(() => isOver);
  searcher.close();
  return { firstMs, completeMs: internet.clock.now() - start, queries };
}
