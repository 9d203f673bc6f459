/** What is asked of a tracker and what it answers, over whichever protocol. */
import type { PeerAddress } from '../units.js';

/** `paused`: instead of none, by partial seeds (BEP 21). */
export type AnnounceEvent = 'none' | 'started' | 'completed' | 'stopped' | 'paused';

/** Who announces; the same for all trackers of a torrent. */
export interface AnnounceIdentity {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** 32 bits that stay the same for the session, so that a tracker knows us after our address changes. */
  readonly key: number;
  /** Where we listen. */
  readonly port: number;
}

export interface AnnounceRequest extends AnnounceIdentity {
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly leftBytes: number;
  readonly event: AnnounceEvent;
  readonly numWant: number;
}

/** A good answer. Numbers are as the tracker said them: whoever uses them clamps them. */
export interface AnnounceAnswer {
  readonly intervalSeconds: number | null;
  readonly minIntervalSeconds: number | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
  /** At most `MAX_PEERS_PER_ANSWER`. */
  readonly peers: readonly PeerAddress[];
  /** Untrusted; bounded. */
  readonly warning: string | null;
  /** Our address as the tracker sees it (BEP 24). */
  readonly externalIp: string | null;
}

/** One swarm's numbers (BEP 48). */
export interface ScrapeAnswer {
  readonly seeders: number | null;
  readonly leechers: number | null;
  readonly downloads: number | null;
}

/** Peers handed on of one answer: more than any torrent connects to; the rest is a waste or an attack. */
export const MAX_PEERS_PER_ANSWER = 200;

const MAX_TEXT_CHARACTERS = 200;

/** Text from a tracker, bounded. Still untrusted: whoever prints it sanitises it. */
export function boundedText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, MAX_TEXT_CHARACTERS * 4));
  return text.slice(0, MAX_TEXT_CHARACTERS);
}

/** A count as a tracker may send it; null when it is none. */
export const countOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
