/**
 * Gossip: peer exchange (BEP 11). Tells peers of each other, at most once a minute, and takes what they tell as
 * hearsay: bounded by who tells it, and told on by us only once we are connected there.
 */
import { familyOf, meansSomethingTo } from '../policy/ip-address.js';
import { type PartedPeer, PEX_FLAG, PexDiff, type PexPeer } from '../policy/pex-diff.js';
import type { CloseReason, PexCodec } from '../ports.js';
import { addressKey, asMillis, NEVER, type PeerAddress } from '../units.js';
import { Hearsay } from './hearsay.js';
import type { Peer } from './peer.js';
import { PARTED, type SwarmState } from './swarm-state.js';

/** The first message waits for others to connect: what comes a moment later has to wait a minute more. */
const FIRST_AFTER_MS = 3_000;
/** What is due is looked for at most this often. */
const LEAST_GAP_MS = 1_000;
/** Of the peers connected this many are told of; a newcomer needs no more in an hour. */
const MAX_LIVE = 500;
/** BEP 11: with fewer connections of a family than this, those that were closed for want of use are told of too. */
const FEW_OF_A_FAMILY = 25;

export interface GossipOptions {
  readonly codec: PexCodec;
  /** `peer` told of them. */
  onPeers(peers: readonly PeerAddress[], peer: Peer): void;
}

interface Talk {
  readonly diff: PexDiff;
  readonly hearsay: Hearsay;
}

export class Gossip {
  readonly #state: SwarmState;
  readonly #options: GossipOptions;
  /** By whom we talk with. */
  readonly #talks = new Map<Peer, Talk>();
  /** By family, oldest first. */
  readonly #parted: Record<4 | 6, PartedPeer[]> = { 4: [], 6: [] };
  #partedCount = 0;

  constructor(state: SwarmState, options: GossipOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** It said what it can do, or where it listens. */
  onExtendedHandshake(peer: Peer): void {
    if (peer.extensions.has(this.#options.codec.name)) this.#talk(peer);
    this.#soon();
  }

  onMessage(peer: Peer, name: string, payload: Uint8Array): void {
    const { codec } = this.#options;
    if (name !== codec.name) return;
    const { remote } = peer.connection;
    const told = this.#talk(peer).hearsay.hear(this.#state.now(), remote, payload);
    if (told === undefined) this.#state.drop(peer, 'floods peer exchange');
    else this.#onPeers(peer, told);
  }

  /** It is no longer among the state's peers. */
  onGone(peer: Peer, reason: CloseReason): void {
    this.#talks.delete(peer);
    const contact = contactOf(peer);
    if (contact !== undefined && isOfUseToOthers(reason)) this.#remember(contact);
    this.#soon();
  }

  onTimer(): void {
    const now = this.#state.now();
    const view = { live: this.#live(), parted: this.#partedPeers() };
    for (const [peer, { diff }] of this.#talks) {
      if (!peer.extensions.has(this.#options.codec.name)) continue;
      const message = diff.next(now, view, (contact) => isFor(peer, contact));
      if (message !== undefined)
        peer.connection.extendedMessage(this.#options.codec.name, this.#options.codec.encode(message));
    }
    this.#arm();
  }

  /** Nothing changes before somebody comes or goes; what came or went meanwhile may have to wait for its minute. */
  #arm(): void {
    let at = NEVER;
    const now = this.#state.now();
    for (const { diff } of this.#talks.values()) if (diff.dueAt > now && diff.dueAt < at) at = diff.dueAt;
    this.#state.timers.set('gossip', at);
  }

  #soon(): void {
    this.#state.timers.setIfEarlier('gossip', asMillis(this.#state.now() + LEAST_GAP_MS));
  }

  #talk(peer: Peer): Talk {
    let talk = this.#talks.get(peer);
    if (talk === undefined) {
      const firstAt = asMillis(this.#state.now() + FIRST_AFTER_MS);
      talk = { diff: new PexDiff(firstAt), hearsay: new Hearsay(this.#options.codec) };
      this.#talks.set(peer, talk);
    }
    return talk;
  }

  /** Who wants nothing has no use for who wants nothing. */
  #onPeers(teller: Peer, told: readonly PexPeer[]): void {
    const wantsNothing = this.#state.picker.wantedLeft === 0;
    const peers = told
      .filter(({ flags }) => !wantsNothing || (flags & PEX_FLAG.uploadOnly) === 0)
      .map(({ host, port }) => ({ host, port }));
    if (peers.length > 0) this.#options.onPeers(peers, teller);
  }

  #live(): Map<string, PexPeer> {
    const live = new Map<string, PexPeer>();
    for (const peer of this.#state.peers.values()) {
      if (live.size === MAX_LIVE) break;
      const contact = contactOf(peer);
      if (contact !== undefined) live.set(addressKey(contact), contact);
    }
    return live;
  }

  #remember(contact: PexPeer): void {
    const list = this.#parted[familyOf(contact.host)];
    const known = list.findIndex(({ peer }) => addressKey(peer) === addressKey(contact));
    if (known >= 0) list.splice(known, 1);
    list.push({ peer: contact, number: ++this.#partedCount });
    if (list.length > FEW_OF_A_FAMILY) list.shift();
  }

  #partedPeers(): PartedPeer[] {
    const connected = { 4: 0, 6: 0 };
    for (const { connection } of this.#state.peers.values()) connected[familyOf(connection.remote.host)]++;
    const few = ([4, 6] as const).filter((family) => connected[family] < FEW_OF_A_FAMILY);
    return few.flatMap((family) => this.#parted[family]).sort((a, b) => a.number - b.number);
  }
}

/** As others are told of it; undefined while nobody knows where it listens. */
function contactOf(peer: Peer): PexPeer | undefined {
  const { listenAddress, connection } = peer;
  if (listenAddress === undefined) return undefined;
  const flags =
    (peer.prefersEncryption || connection.encrypted ? PEX_FLAG.prefersEncryption : 0) |
    (peer.isSeed || peer.uploadOnly ? PEX_FLAG.uploadOnly : 0) |
    (peer.extensions.has('ut_holepunch') ? PEX_FLAG.holepunch : 0) |
    (connection.incoming ? 0 : PEX_FLAG.reachable);
  return { ...listenAddress, flags };
}

/** Not itself, nobody whom it cannot reach, and no seeds for who wants nothing. */
function isFor(peer: Peer, contact: PexPeer): boolean {
  const { listenAddress, connection } = peer;
  if (listenAddress !== undefined && addressKey(listenAddress) === addressKey(contact)) return false;
  if ((peer.isSeed || peer.uploadOnly) && (contact.flags & PEX_FLAG.uploadOnly) !== 0) return false;
  return meansSomethingTo(connection.remote.host, contact.host);
}

/** BEP 11: we left it for lack of mutual interest or of room, or have it already by another address. */
const isOfUseToOthers = ({ kind, text }: CloseReason): boolean => kind === 'local' && OF_USE.has(text);

const OF_USE: ReadonlySet<string> = new Set(Object.values(PARTED));
