/**
 * Turnover: who has to leave a swarm whose seats are all taken. Without it, whoever connects first and then does
 * nothing would keep everybody else out for ever.
 */
import type { Millis, PeerAddress } from '../units.js';
import { addressPrefix, isLoopback } from './address-prefix.js';
import { Counter } from './counter.js';
import { peerPriority } from './peer-priority.js';

/** Time enough to tell what it has, to get a turn to ask, or to let us ask. */
const GRACE_MS = 60_000;
/** Of one network at least, however few seats there are; beyond it a quarter of the seats. */
const MIN_PER_NETWORK = 4;

export interface SeatedPeer {
  /** See addressPrefix. */
  readonly prefix: string;
  readonly connectedAt: Millis;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  /** Undefined while it did not tell. */
  readonly listenAddress: PeerAddress | undefined;
  readonly connection: { readonly remote: PeerAddress };
  /** What it sends us and what we send it lately, bytes a second. */
  contributionRate(now: Millis): number;
  readonly uploadRate: { rate(now: Millis): number };
}

/**
 * A peer that nothing was exchanged with lately: of the network that has the most of them, the one that gave
 * and took the least in all, of equals the one whom BEP 40 prefers least. Undefined when every peer is of use, or is new.
 * @param ours where others see us, one address a family
 */
export function leastUseful<P extends SeatedPeer>(
  peers: Iterable<P>,
  now: Millis,
  ours: readonly PeerAddress[] = [],
): P | undefined {
  const idle = [...peers].filter((peer) => isIdle(peer, now));
  const perNetwork = new Counter();
  for (const { prefix } of idle) perNetwork.add(prefix, 1);
  let least: P | undefined;
  for (const peer of idle) {
    if (least === undefined) least = peer;
    const more = perNetwork.get(peer.prefix) - perNetwork.get(least.prefix);
    const less = exchanged(least) - exchanged(peer);
    const lower = ours.length === 0 ? 0 : priority(least, ours) - priority(peer, ours);
    if ((more || less || lower) > 0) least = peer;
  }
  return least;
}

/** Whether so many of `host`'s network are here already that a further one would crowd others out. */
export function isCrowding(
  host: string,
  peers: Iterable<Pick<SeatedPeer, 'prefix'>>,
  seats: number,
): boolean {
  if (isLoopback(host)) return false;
  const network = addressPrefix(host);
  let count = 0;
  for (const peer of peers) if (peer.prefix === network) count++;
  return count >= Math.max(MIN_PER_NETWORK, seats / 4);
}

/** Of a peer whose port we do not know, that of its side of the connection: both ends know it. */
function priority({ listenAddress, connection }: SeatedPeer, ours: readonly PeerAddress[]): number {
  for (const address of ours) {
    const value = peerPriority(address, listenAddress ?? connection.remote);
    if (value !== undefined) return value;
  }
  return 0;
}

const exchanged = (peer: SeatedPeer): number => peer.downloadedBytes + peer.uploadedBytes;

const isIdle = (peer: SeatedPeer, now: Millis): boolean =>
  now - peer.connectedAt >= GRACE_MS && peer.contributionRate(now) === 0 && peer.uploadRate.rate(now) === 0;
