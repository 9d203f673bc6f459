/**
 * Peer: what the swarm knows of one connection. State only; the parts that act on it are downloading.ts,
 * uploading.ts and choking.ts, and peer-session.ts routes what the connection says to them.
 */
import { addressPrefix } from '../policy/address-prefix.js';
import { Bitfield } from '../policy/bitfield.js';
import { RateMeter } from '../policy/rate-meter.js';
import { Receipts } from '../policy/receipts.js';
import { RequestPipeline } from '../policy/request-pipeline.js';
import type { PeerConnection, PeerSourceName } from '../ports.js';
import type { Millis, PeerAddress, PieceIndex } from '../units.js';
import { UploadQueue } from './upload-queue.js';

/** BEP 3: tit for tat goes by the last twenty seconds. */
const CONTRIBUTION_MS = 20_000;

const NO_EXTENSIONS: ReadonlySet<string> = new Set();

export interface NewPeer {
  readonly id: number;
  readonly connection: PeerConnection;
  readonly source: PeerSourceName;
  readonly now: Millis;
  /** How many the torrent has. */
  readonly pieces: number;
}

export class Peer {
  // First what every message looks at: with many peers none of them is in the cache, and so it is two lines of it.
  readonly connection: PeerConnection;
  /** What it has; the picker has counted exactly this. */
  has: Bitfield;
  /** How many wanted pieces that we lack it has; we are interested while this is above zero. */
  usefulPieces = 0;
  amInterested = false;
  peerChoking = true;
  amChoking = true;
  /** Of the read under way, not in the rates yet. */
  arrivedBlocks = 0;
  arrivedBytes = 0;
  /** Pieces it lets us ask for while it chokes us (BEP 6); bounded, undefined when there are none. */
  allowedFast: Set<PieceIndex> | undefined;
  peerInterested = false;
  /** It could be asked for more than there was. Writer: downloading. */
  isHungry = false;
  /** Small and reused: the policies keep arrays by it. */
  readonly id: number;
  readonly pipeline: RequestPipeline;
  downloadedBytes = 0;
  uploadedBytes = 0;
  /** When the latest block came. */
  lastBlockAt: Millis | undefined;
  /** Requests that were not answered, whatever became of them; below zero: answers to what nobody asked. */
  answersDue = 0;
  /** Rejects in a row without a block between: a peer that has everything and gives nothing. */
  rejectsInARow = 0;

  readonly uploadRate = new RateMeter();
  /** What it gives us, over the time that the choker looks back. */
  readonly contribution = new RateMeter(CONTRIBUTION_MS);
  readonly uploads = new UploadQueue();
  readonly receipts = new Receipts();
  /** Bytes of blocks handed to the connection that wait for the kernel. */
  aheadBytes = 0;
  /** The piece whose frames the store is fetching for this peer. */
  awaitedFrames: PieceIndex | undefined;
  /** Its connection is closed. Writer: swarm. */
  isGone = false;

  /** It is sent what it is shown, and never has it. Writer: super-seeding. */
  isStalled = false;
  /** Unchoked by chance, not by merit. */
  optimistic = false;
  /** The network that it is in. */
  readonly prefix: string;
  /** From its extended handshake; untrusted. Empty until then. */
  client = '';
  /** BEP 21: it will never ask. */
  uploadOnly = false;
  /** From its extended handshake. */
  prefersEncryption = false;
  /** Names of the BEP 10 extensions it takes. */
  extensions: ReadonlySet<string> = NO_EXTENSIONS;
  /** Where it listens, where we know. */
  listenAddress: PeerAddress | undefined;
  readonly source: PeerSourceName;
  readonly connectedAt: Millis;

  constructor({ id, connection, source, now, pieces }: NewPeer) {
    this.connection = connection;
    this.has = new Bitfield(pieces);
    this.id = id;
    this.pipeline = new RequestPipeline(now);
    this.prefix = addressPrefix(connection.remote.host);
    this.source = source;
    this.connectedAt = now;
    if (!connection.incoming) this.listenAddress = connection.remote;
  }

  /** Bytes a second that it gives us, over the time that the choker looks back. */
  contributionRate(now: Millis): number {
    // Most give nothing: that is told without a look at the meter, which is not at hand.
    if (this.lastBlockAt === undefined || now - this.lastBlockAt > 2 * CONTRIBUTION_MS) return 0;
    return this.contribution.rate(now);
  }

  get isSeed(): boolean {
    return this.has.isFull;
  }
}
