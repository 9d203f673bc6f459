/**
 * Turnover: who has to leave a swarm whose seats are all taken. Without it, whoever connects first and then does
 * nothing would keep everybody else out for ever.
 */
import { addressPrefix, isLoopback } from '../policy/address-prefix.js';
import type { Millis } from '../units.js';
import type { Peer } from './peer.js';

/** Time enough to tell what it has, to get a turn to ask, or to let us ask. */
const GRACE_MS = 60_000;
/** Of one network at least, however few seats there are; beyond it a quarter of the seats. */
const MIN_PER_NETWORK = 4;

/**
 * A peer that nothing was exchanged with lately: of the network that has the most of them, the one that gave
 * and took the least in all. Undefined when every peer is of use, or is new.
 */
export function leastUseful(peers: Iterable<Peer>, now: Millis): Peer | undefined {
  const idle = [...peers].filter((peer) => isIdle(peer, now));
  const perNetwork = new Map<string, number>();
  for (const peer of idle) {
    perNetwork.set(peer.prefix, (perNetwork.get(peer.prefix) ?? 0) + 1);
  }
  let least: Peer | undefined;
  for (const peer of idle) {
    if (least === undefined) least = peer;
    const more = (perNetwork.get(peer.prefix) ?? 0) - (perNetwork.get(least.prefix) ?? 0);
    if (more > 0 || (more === 0 && exchanged(peer) < exchanged(least))) least = peer;
  }
  return least;
}

/** Whether so many of `host`'s network are here already that a further one would crowd others out. */
export function isCrowding(host: string, peers: Iterable<Peer>, seats: number): boolean {
  if (isLoopback(host)) return false;
  const network = addressPrefix(host);
  let count = 0;
  for (const peer of peers) if (peer.prefix === network) count++;
  return count >= Math.max(MIN_PER_NETWORK, seats / 4);
}

const exchanged = (peer: Peer): number => peer.downloadedBytes + peer.uploadedBytes;

const isIdle = (peer: Peer, now: Millis): boolean =>
  now - peer.connectedAt >= GRACE_MS && peer.contribution.rate(now) === 0 && peer.uploadRate.rate(now) === 0;
