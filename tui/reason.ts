/** Says what is the matter with a torrent, in one line, from the snapshot alone. */
import type { EngineSnapshot, PeerSnapshot, TorrentSnapshot } from './engine.js';
import { PIECE_STATE, printable } from './engine.js';
import { formatShare, formatSize } from './format.js';

export interface Reason {
  readonly text: string;
  readonly tone: 'dim' | 'warn' | 'bad';
}

/** From this share of a limit on, the limit is what holds the rate. */
const AT_LIMIT = 0.9;
/** From this share of the arena on, the disk is what holds the rate. */
const ARENA_FULL = 0.97;

/** Undefined when all is as it should be. */
export function reason(torrent: TorrentSnapshot, engine: EngineSnapshot): Reason | undefined {
  switch (torrent.phase) {
    case 'failed':
      return bad(failure(torrent));
    case 'metadata':
      return metadata(torrent, engine);
    case 'checking':
      return dim(`checking what is on disk, ${formatShare(torrent.checkedShare)}`);
    case 'stopping':
      return dim('saying goodbye to trackers and peers');
    case 'downloading':
      return downloading(torrent, engine);
    case 'seeding':
      return seeding(torrent, engine);
    case 'stopped':
      return undefined;
  }
}

function failure({ error }: TorrentSnapshot): string {
  if (error === null) return 'failed';
  return printable(error.message) + (error.hint === undefined ? '' : ` – ${printable(error.hint)}`);
}

function metadata(torrent: TorrentSnapshot, engine: EngineSnapshot): Reason {
  const { peers, metadata: { holders, share } = { holders: 0, share: 0 } } = torrent;
  if (peers.length === 0) return noPeers(torrent, engine);
  if (holders === 0) return warn(`${subject(peers)} not told us what the magnet names`);
  return dim(`fetching what the magnet names from ${count(holders, 'peer')}, ${formatShare(share)}`);
}

function downloading(torrent: TorrentSnapshot, engine: EngineSnapshot): Reason | undefined {
  const { peers } = torrent;
  if (peers.length === 0) return noPeers(torrent, engine);
  const useful = peers.filter((peer) => peer.amInterested);
  if (useful.length === 0) return warn(`${subject(peers)} nothing we need`);
  const open = useful.filter((peer) => !peer.peerChoking);
  if (open.length === 0) return warn(chokedBy(useful, peers));
  const limit = engine.limits.downloadBytesPerSecond;
  if (limit > 0 && engine.downloadBytesPerSecond >= limit * AT_LIMIT) {
    return dim(`limited by --down ${formatSize(limit)}/s`);
  }
  const { usedBytes, totalBytes } = engine.arena;
  if (totalBytes > 0 && usedBytes >= totalBytes * ARENA_FULL) {
    return warn('waiting for the disk: every buffer holds data that is not written yet');
  }
  if (torrent.downloadBytesPerSecond === 0) {
    const asked = open.reduce((sum, peer) => sum + peer.outstandingRequests, 0);
    return dim(
      asked > 0
        ? `waiting for ${asked} blocks from ${count(open.length, 'peer')}`
        : 'about to ask for blocks',
    );
  }
  const nowhere = missingEverywhere(torrent);
  if (nowhere > 0) return warn(`${count(nowhere, 'piece')} that no connected peer has`);
  return undefined;
}

function noPeers(torrent: TorrentSnapshot, engine: EngineSnapshot): Reason {
  if (torrent.candidatePeers > 0) {
    const known = count(torrent.candidatePeers, 'known address', 'known addresses');
    return engine.halfOpenCount > 0
      ? dim(`connecting, ${known}`)
      : warn(`no peer answers, ${known} to try again`);
  }
  const { trackers } = torrent;
  const dht = engine.dht?.state;
  if (trackers.length === 0) {
    if (dht === 'joining' || dht === 'ready') return dim('asking the DHT for peers');
    const why =
      dht === 'offline'
        ? 'no tracker, and the DHT does not answer'
        : dht === undefined
          ? 'no tracker and no peers, and the DHT is switched off'
          : 'no tracker and no peers';
    return warn(`${why}: add --tracker or --peer`);
  }
  if (trackers.some((tracker) => tracker.state === 'announcing' || tracker.state === 'idle')) {
    return dim('asking the trackers for peers');
  }
  const working = trackers.filter((tracker) => tracker.state === 'working');
  if (working.length > 0) return warn('the trackers know of no other peer');
  const message = printable(trackers[0]?.message ?? '', 120);
  return bad(message === '' ? 'no tracker answered' : `no tracker answered: ${message}`);
}

function seeding(torrent: TorrentSnapshot, engine: EngineSnapshot): Reason | undefined {
  const { peers } = torrent;
  if (peers.length === 0) return nobodyCame(engine);
  if (!peers.some((peer) => peer.peerInterested)) {
    return dim(
      peers.length === 1 ? '1 peer, it wants nothing' : `none of ${peers.length} peers wants anything`,
    );
  }
  const limit = engine.limits.uploadBytesPerSecond;
  if (limit > 0 && engine.uploadBytesPerSecond >= limit * AT_LIMIT)
    return dim(`limited by --up ${formatSize(limit)}/s`);
  return undefined;
}

function nobodyCame({ reachability }: EngineSnapshot): Reason {
  if (reachability.state !== 'outgoing only') return dim('nobody is connected');
  return warn(
    `nobody is connected, and from the Internet nobody can: ${printable(reachability.reason, 200)}`,
  );
}

function chokedBy(useful: readonly PeerSnapshot[], peers: readonly PeerSnapshot[]): string {
  if (useful.length === peers.length)
    return peers.length === 1 ? 'choked by the only peer' : `choked by all ${peers.length} peers`;
  return useful.length === 1
    ? 'choked by the only peer that has something we need'
    : `choked by all ${useful.length} peers that have something we need`;
}

const subject = (peers: readonly PeerSnapshot[]): string =>
  peers.length === 1 ? '1 peer, it has' : `${peers.length} peers, they have`;

/** Pieces that we want and nobody connected has. */
function missingEverywhere({ pieceStates, pieceAvailability }: TorrentSnapshot): number {
  let nowhere = 0;
  for (let piece = 0; piece < pieceStates.length; piece++) {
    if (pieceStates[piece] === PIECE_STATE.missing && pieceAvailability[piece] === 0) nowhere++;
  }
  return nowhere;
}

const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
const dim = (text: string): Reason => ({ text, tone: 'dim' });
const warn = (text: string): Reason => ({ text, tone: 'warn' });
const bad = (text: string): Reason => ({ text, tone: 'bad' });
