/**
 * The bencoded answers of the HTTP tracker (BEP 3, 7, 23, 24, 48), written directly: strings of one character a byte,
 * to be sent as latin1, with keys already in order.
 */
import { hostText, isIpv6Endpoint, type PackedHost, portOf } from './addresses.js';
import type { AnnounceAnswer } from './announce.js';
import type { TrackedPeer } from './peer-table.js';
import type { SwarmCounts } from './swarm-store.js';

export type PeerForm = 'compact' | 'dictionaries' | 'dictionaries-without-ids';

export const bencodeFailure = (reason: string): string => `d14:failure reason${bytes(reason)}e`;

/** `source` is told to the client (BEP 24), whose family it shares with the peers. */
export function bencodeAnnounce(answer: AnnounceAnswer, source: PackedHost, form: PeerForm): string {
  const { counts, intervalSeconds, minIntervalSeconds, peers } = answer;
  const head =
    `d8:completei${counts.seeds}e10:downloadedi${counts.downloads}e` +
    `11:external ip${bytes(source)}10:incompletei${counts.leechers}e` +
    `8:intervali${intervalSeconds}e12:min intervali${minIntervalSeconds}e`;
  return `${head}${form === 'compact' ? compactPeers(peers) : dictPeers(peers, form)}e`;
}

/** `infoHashes` and `counts` run in parallel; a repeated hash is written once. */
export function bencodeScrape(infoHashes: readonly string[], counts: readonly SwarmCounts[]): string {
  const files = new Map(infoHashes.map((hash, at) => [hash, counts[at]]));
  let text = '';
  for (const hash of [...files.keys()].sort()) {
    const swarm = files.get(hash);
    if (swarm === undefined) continue;
    text +=
      `${bytes(hash)}d8:completei${swarm.seeds}e10:downloadedi${swarm.downloads}e` +
      `10:incompletei${swarm.leechers}ee`;
  }
  return `d5:filesd${text}ee`;
}

/** Clients expect `peers` even when the peers are all in `peers6`. */
function compactPeers(peers: readonly TrackedPeer[]): string {
  let packed = '';
  for (const { endpoint } of peers) packed += endpoint;
  const first = peers[0];
  if (first !== undefined && isIpv6Endpoint(first.endpoint)) return `5:peers0:6:peers6${bytes(packed)}`;
  return `5:peers${bytes(packed)}`;
}

function dictPeers(peers: readonly TrackedPeer[], form: PeerForm): string {
  let text = '';
  for (const { endpoint, peerId } of peers) {
    const id = form === 'dictionaries' ? `7:peer id${bytes(peerId)}` : '';
    text += `d2:ip${bytes(hostText(endpoint))}${id}4:porti${portOf(endpoint)}ee`;
  }
  return `5:peersl${text}e`;
}

const bytes = (text: string): string => `${text.length}:${text}`;
