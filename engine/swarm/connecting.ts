/**
 * Connecting: keeps enough connections open. Takes addresses from the candidates, dials them, and decides who
 * of those that connect to us may stay.
 */
import { familyOf } from '../policy/ip-address.js';
import type { Candidate, PeerCandidates } from '../policy/peer-candidates.js';
import { isCrowding, leastUseful } from '../policy/turnover.js';
import type { CloseReason, HandshakeIdentity, PeerConnection, PeerDialer, PeerSourceName } from '../ports.js';
import { addressKey, asMillis, type Millis, type PeerAddress } from '../units.js';
import { equalBytes } from './equal-bytes.js';
import { PARTED, type SwarmState } from './swarm-state.js';

/** Dials of one torrent under way at once: most addresses are dead, and each takes seconds to show it. */
const MAX_PENDING_DIALS = 80;
/** While others wait for its place, an address gets two SYNs (0 and 1 s): who needs a third has later attempts. */
const HURRIED_CONNECT_MS = 3_000;
/** How often an under-connected swarm asks its sources for more. */
const WANT_PEERS_MS = 30_000;
/** When all seats are taken: how often one is given to somebody who comes, lest a flood turns all of them over. */
const TURNOVER_MS = 1_000;
/** The same for an address that we know, who may be no better, or not there. */
const DIAL_TURNOVER_MS = 10_000;
/** Below this many peers and candidates we ask for more. */
const FEW_PEERS = 20;

export interface ConnectingOptions {
  readonly dialer: PeerDialer;
  readonly identity: HandshakeIdentity;
  readonly candidates: PeerCandidates;
  readonly maxPeers: number;
  /** A dialled peer answered. */
  onConnected(connection: PeerConnection, source: PeerSourceName): void;
  wantPeers(): void;
}

export class Connecting {
  readonly #state: SwarmState;
  readonly #options: ConnectingOptions;
  /** Aborts of dials under way, by address. */
  readonly #pending = new Map<string, () => void>();
  #reviewedAt = asMillis(Number.NEGATIVE_INFINITY);
  /** What had arrived then. */
  #reviewedBytes = Number.NaN;
  /** Where others see us, one address a family. */
  #ours: readonly PeerAddress[] = [];
  #turnoverAt = asMillis(0);
  #stopped = false;

  constructor(state: SwarmState, options: ConnectingOptions) {
    this.#state = state;
    this.#options = options;
  }

  get candidateCount(): number {
    return this.#options.candidates.size;
  }

  get bannedCount(): number {
    return this.#options.candidates.bannedCount;
  }

  /** @param teller who told of them, where it was a peer, a DHT node or a neighbour */
  onPeersFound(peers: readonly PeerAddress[], source: PeerSourceName, teller?: PeerAddress): void {
    const now = this.#state.now();
    for (const address of peers) {
      if (!this.#isConnected(address)) this.#options.candidates.add(now, address, source, teller);
    }
    this.fill();
  }

  /** Where others see us: what BEP 40 goes by, and what is never dialled. */
  setOurAddress(address: PeerAddress): void {
    const isOther = ({ host }: PeerAddress): boolean => familyOf(host) !== familyOf(address.host);
    this.#ours = [...this.#ours.filter(isOther), address];
    this.#options.candidates.setOurAddress(address);
  }

  /** Dials until the limits are reached, and comes back when the next candidate is due. */
  fill(): void {
    if (this.#stopped || this.#state.failed) return;
    const { candidates, maxPeers } = this.#options;
    const now = this.#state.now();
    const isLeeching = this.#state.picker.wantedLeft > 0;
    if (isLeeching && this.#isFull && (candidates.nextAt() ?? now + 1) <= now)
      this.#makeRoom(DIAL_TURNOVER_MS);
    const places = (): number =>
      Math.min(MAX_PENDING_DIALS, maxPeers - this.#state.peers.size) - this.#pending.size;
    const connectMs = places() > 0 && candidates.dueCount(now) > places() ? HURRIED_CONNECT_MS : undefined;
    while (places() > 0) {
      const candidate = candidates.next(now);
      if (candidate === undefined) break;
      // It may have connected to us since, and told where it listens.
      if (this.#isConnected(candidate.address)) candidates.onConnected(now, candidate.address);
      else this.#dial(candidate, candidate.source === 'user' ? undefined : connectMs);
    }
    if (now - this.#reviewedAt >= WANT_PEERS_MS) this.#review(now);
    const due = candidates.nextAt();
    const next = Math.min(due ?? Number.POSITIVE_INFINITY, now + WANT_PEERS_MS);
    this.#state.timers.set('connect', asMillis(Math.max(next, now + 100)));
  }

  /** Few peers are not enough, nor are many that have nothing for us: of a big swarm others may. */
  #review(now: Millis): void {
    const { peers, picker, totals } = this.#state;
    const isStuck = picker.wantedLeft > 0 && totals.downloadedBytes === this.#reviewedBytes;
    this.#reviewedAt = now;
    this.#reviewedBytes = totals.downloadedBytes;
    if (isStuck || peers.size + this.#options.candidates.size < FEW_PEERS) this.#options.wantPeers();
  }

  /** Whether somebody who connected to us may stay. When all seats are taken, a useless peer makes room. */
  accepts(connection: PeerConnection): boolean {
    const { remote } = connection;
    return (
      !this.#stopped &&
      !this.#state.failed &&
      !this.#options.candidates.isBanned(remote) &&
      !this.#isDuplicate(connection) &&
      !(connection.incoming && isCrowding(remote.host, this.#state.peers.values(), this.#options.maxPeers)) &&
      (!this.#isFull || this.#makeRoom(TURNOVER_MS))
    );
  }

  /** A connection was closed so that another to the same peer may begin. */
  onAborted(address: PeerAddress): void {
    this.#options.candidates.onAborted(this.#state.now(), address);
    this.fill();
  }

  onClosed(address: PeerAddress | undefined, reason: CloseReason, wasUseful: boolean): void {
    if (address === undefined) return;
    const now = this.#state.now();
    if (reason.kind === 'violation') this.#options.candidates.onFailed(now, address);
    else this.#options.candidates.onClosed(now, address, wasUseful);
    this.fill();
  }

  /** False when it is banned already. */
  ban(address: PeerAddress): boolean {
    const { candidates } = this.#options;
    const isNews = !candidates.isBanned(address);
    candidates.ban(address);
    return isNews;
  }

  stop(): void {
    this.#stopped = true;
    for (const abort of this.#pending.values()) abort();
    this.#pending.clear();
    this.#state.timers.clear('connect');
  }

  #dial({ address, source }: Candidate, connectMs: number | undefined): void {
    const { dialer, identity } = this.#options;
    const key = addressKey(address);
    const done = (result: PeerConnection | CloseReason): void => {
      this.#pending.delete(key);
      if ('kind' in result && result.kind === 'self') this.#options.candidates.exclude(address);
      else if ('kind' in result) this.#options.candidates.onFailed(this.#state.now(), address);
      else if (!this.accepts(result)) {
        result.close('not needed');
        this.#options.candidates.onClosed(this.#state.now(), address, false);
      } else {
        this.#options.candidates.onConnected(this.#state.now(), address);
        this.#options.onConnected(result, source);
      }
      this.fill();
    };
    this.#pending.set(key, dialer.dial(address, identity, done, connectMs));
  }

  get #isFull(): boolean {
    return this.#state.peers.size >= this.#options.maxPeers;
  }

  #makeRoom(restMs: number): boolean {
    const now = this.#state.now();
    if (now < this.#turnoverAt) return false;
    const useless = leastUseful(this.#state.peers.values(), now, this.#ours);
    if (useless === undefined) return false;
    this.#turnoverAt = asMillis(now + restMs);
    this.#state.drop(useless, PARTED.forAnother);
    return true;
  }

  /**
   * The same peer twice, as when both sides dialled: the connection made by the smaller peer id stays. A peer id proves
   * nothing, so it neither ends nor keeps out a connection of another host: a peer that comes by IPv4 and by IPv6 has
   * two, which costs a seat while there are seats to spare.
   */
  #isDuplicate(connection: PeerConnection): boolean {
    for (const peer of this.#state.peers.values()) {
      const other = peer.connection;
      if (other.remote.host !== connection.remote.host || !equalBytes(other.peerId, connection.peerId))
        continue;
      if (other.incoming === connection.incoming) return true;
      const keepsOutgoing = isSmaller(this.#options.identity.peerId, connection.peerId);
      if (keepsOutgoing === connection.incoming) return true;
      this.#state.drop(peer, 'connected twice');
      return false;
    }
    return false;
  }

  #isConnected(address: PeerAddress): boolean {
    for (const { listenAddress } of this.#state.peers.values()) {
      if (listenAddress?.port === address.port && listenAddress.host === address.host) return true;
    }
    return this.#pending.has(addressKey(address));
  }
}

function isSmaller(a: Uint8Array, b: Uint8Array): boolean {
  const differs = a.findIndex((byte, i) => byte !== b[i]);
  return differs >= 0 && a[differs]! < b[differs]!;
}
