/**
 * The bencoded answers of the HTTP tracker (BEP 3, 7, 23, 24, 48), written directly: strings of one character a byte,
 * to be sent as latin1, with keys already in order.
 */
import { COMPACT4_BYTES } from '../engine/discovery/compact-peers.js';
import { ipText } from '../engine/policy/ip-address.js';
import type { PackedHost } from './addresses.js';
import type { AnnounceAnswer } from './announce.js';
import { PEER_ID_BYTES } from './peer-pool.js';
import type { PackedPeers, SwarmCounts } from './swarm-store.js';

const PORT_BYTES = 2;

export const bencodeFailure = (reason: string): string => `d14:failure reason${bytes(reason)}e`;

/** `source` is told to the client (BEP 24), whose family it shares with the peers. */
export function bencodeAnnounce(answer: AnnounceAnswer, source: PackedHost, compact: boolean): string {
  const { counts, intervalSeconds, minIntervalSeconds, peers } = answer;
  const head =
    `d8:completei${counts.seeds}e10:downloadedi${counts.downloads}e` +
    `11:external ip${bytes(source)}10:incompletei${counts.leechers}e` +
    `8:intervali${intervalSeconds}e12:min intervali${minIntervalSeconds}e`;
  return `${head}${compact ? compactPeers(peers) : dictPeers(peers)}e`;
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
function compactPeers({ count, endpoints }: PackedPeers): string {
  const packed = bytes(endpoints.toString('latin1'));
  return endpoints.length === count * COMPACT4_BYTES ? `5:peers${packed}` : `5:peers0:6:peers6${packed}`;
}

function dictPeers({ count, endpoints, peerIds }: PackedPeers): string {
  const entryBytes = endpoints.length / count;
  let text = '';
  for (let peer = 0; peer < count; peer++) {
    const end = (peer + 1) * entryBytes;
    const host = ipText(endpoints.subarray(end - entryBytes, end - PORT_BYTES));
    const port = endpoints.readUInt16BE(end - PORT_BYTES);
    const id = peerIds?.toString('latin1', peer * PEER_ID_BYTES, (peer + 1) * PEER_ID_BYTES);
    text += `d2:ip${bytes(host)}${id === undefined ? '' : `7:peer id${bytes(id)}`}4:porti${port}ee`;
  }
  return `5:peersl${text}e`;
}

const bytes = (text: string): string => `${text.length}:${text}`;
