/**
 * Answers what others ask. A reply fits a packet, and for an address that never answered us, so that may be forged,
 * three times the query; what is larger than that waits until the address has answered a ping.
 */
import type { Millis, PeerAddress, Rng } from '../../units.js';
import { Encoded } from './bencode-writer.js';
import { encodeAddress, encodeNodes, NODE_BYTES } from './compact-nodes.js';
import { ItemStore, targetOf } from './item-store.js';
import { ERROR, type Query, type ReplyBody, writeError, writeReply } from './krpc.js';
import { ID_BYTES, type NodeContact, type NodeId, type RandomBytes } from './node-id.js';
import { PeerStore } from './peer-store.js';
import { WriteTokens } from './write-tokens.js';

/** With headers below what every link passes: 1,500 bytes, over IPv6 (BEP 32) 1,280. */
const MAX_REPLY_BYTES = { 4: 1_400, 6: 1_024 } as const;
/** Reflection by us is no use to anybody then. */
const MAX_AMPLIFICATION = 3;
/** As many as a client tries at once; others are found at other nodes. */
const MAX_VALUES = 50;
/** Left room for beside values: without nodes the asker comes no closer. */
const MIN_NODES = 4;
const MAX_SAMPLES = 20;
/** A sample of our info-hashes stays the same for so long (BEP 51). */
const SAMPLE_SECONDS = 300;
/** `6:values` and the ends of a list, or `6:nodes6` and three digits: what a field costs beside its content. */
const FIELD_BYTES = 14;

export interface ResponderOptions {
  readonly family: 4 | 6;
  readonly randomBytes: RandomBytes;
  readonly rng: Rng;
  readonly ownId: () => NodeId;
  /** Closest good nodes; of the family that we do not speak, none. */
  readonly closest: (family: 4 | 6, target: NodeId) => readonly NodeContact[];
  readonly send: (datagram: Uint8Array, to: PeerAddress) => void;
  /** Whether the address answered us lately. */
  readonly isProven: (address: PeerAddress) => boolean;
  /** Pings it; `done` is called once with whether it answered, perhaps at once. */
  readonly prove: (address: PeerAddress, done: (isThere: boolean) => void) => void;
}

export interface IncomingQuery {
  readonly transaction: Uint8Array;
  readonly query: Query;
  readonly from: PeerAddress;
  /** Of the whole datagram. */
  readonly lengthBytes: number;
  /** It does not answer pings (BEP 43). */
  readonly readOnly: boolean;
}

export class Responder {
  readonly peers = new PeerStore();
  readonly items = new ItemStore();
  readonly #options: ResponderOptions;
  readonly #tokens: WriteTokens;
  #samples: { readonly until: number; readonly targets: readonly NodeId[] } = { until: 0, targets: [] };

  constructor(options: ResponderOptions, now: Millis) {
    this.#options = options;
    this.#tokens = new WriteTokens(now, options.randomBytes);
  }

  answer(asked: IncomingQuery, now: Millis): void {
    const { query } = asked;
    switch (query.method) {
      case 'ping':
        this.#reply(asked, {});
        break;
      case 'find_node':
        this.#reply(asked, this.#nodes(asked, {}, this.#budget(asked), query));
        break;
      case 'get_peers':
        if (query.scrape === true) this.#scrape(asked, query, now);
        else this.#getPeers(asked, query, {}, now);
        break;
      case 'announce_peer':
        this.#announce(asked, query, now);
        break;
      case 'get':
        this.#get(asked, query, now);
        break;
      case 'put':
        this.#put(asked, query, now);
        break;
      case 'sample_infohashes':
        this.#sample(asked, query, now);
        break;
    }
  }

  error(transaction: Uint8Array, to: PeerAddress, code: number, text: string): void {
    this.#options.send(writeError(transaction, code, text), to);
  }

  sweep(now: Millis): void {
    this.peers.sweep(now);
    this.items.sweep(now);
  }

  #getPeers(
    asked: IncomingQuery,
    query: Extract<Query, { method: 'get_peers' }>,
    filters: ReplyBody,
    now: Millis,
    budget = this.#budget(asked),
  ): void {
    const { family, rng } = this.#options;
    const body = { ...filters, ...this.#token(asked, query.target, now) };
    const bytes = family === 4 ? 8 : 21;
    const nodesBytes = FIELD_BYTES + MIN_NODES * NODE_BYTES[family];
    const room = Math.floor((budget - this.#lengthOf(asked, body) - nodesBytes - FIELD_BYTES) / bytes);
    const peers = this.peers.sample(
      query.target,
      Math.min(room, MAX_VALUES),
      query.noSeeds === true,
      now,
      rng,
    );
    const values = peers.map(({ host, port }) => encodeAddress(host, port, family));
    const filled = values.length === 0 ? body : { ...body, values };
    this.#reply(asked, this.#nodes(asked, filled, budget, query));
  }

  #scrape(asked: IncomingQuery, query: Extract<Query, { method: 'get_peers' }>, now: Millis): void {
    const filters = this.peers.filters(query.target, now);
    if (filters === undefined) {
      this.#getPeers(asked, query, {}, now);
      return;
    }
    this.#whenProven(asked, (isThere, budget) => {
      const body = isThere ? { BFsd: filters.seeds, BFpe: filters.peers } : {};
      this.#getPeers(asked, query, body, now, budget);
    });
  }

  #announce(asked: IncomingQuery, query: Extract<Query, { method: 'announce_peer' }>, now: Millis): void {
    const { from } = asked;
    if (!this.#tokens.isValid(query.token, from.host, query.target, now)) {
      this.error(asked.transaction, from, ERROR.protocol, 'bad token');
      return;
    }
    const port = query.impliedPort ? from.port : query.port;
    const peer = { host: from.host, port };
    if (!this.peers.announce(query.target, peer, query.seed, this.#options.ownId(), now)) {
      this.error(asked.transaction, from, ERROR.server, 'full');
      return;
    }
    this.#reply(asked, {});
  }

  #get(asked: IncomingQuery, query: Extract<Query, { method: 'get' }>, now: Millis): void {
    const item = this.items.get(query.target, now);
    const token = this.#token(asked, query.target, now);
    const sequence = item?.signed?.sequence;
    const isKnown = sequence !== undefined && query.sequence !== undefined && sequence <= query.sequence;
    const short = { ...token, seq: sequence };
    if (item === undefined || isKnown) {
      this.#reply(asked, this.#nodes(asked, short, this.#budget(asked), query));
      return;
    }
    const full: ReplyBody = {
      ...short,
      k: item.signed?.publicKey,
      sig: item.signed?.signature,
      v: new Encoded(item.value),
    };
    const isSmall = this.#lengthOf(asked, full) <= this.#budget(asked);
    const answer = (isThere: boolean, budget: number): void =>
      this.#reply(asked, this.#nodes(asked, isThere ? full : short, budget, query));
    if (isSmall) answer(true, this.#budget(asked));
    else this.#whenProven(asked, answer);
  }

  #put(asked: IncomingQuery, query: Extract<Query, { method: 'put' }>, now: Millis): void {
    const { from, transaction } = asked;
    const target = targetOf(query);
    if (!this.#tokens.isValid(query.token, from.host, target, now)) {
      this.error(transaction, from, ERROR.protocol, 'bad token');
      return;
    }
    const code = this.items.put(query, target, from.host, this.#options.ownId(), now);
    if (code === undefined) this.#reply(asked, {});
    else this.error(transaction, from, code, PUT_ERRORS[code] ?? 'refused');
  }

  #sample(asked: IncomingQuery, query: Extract<Query, { method: 'sample_infohashes' }>, now: Millis): void {
    if (this.#samples.until <= now) {
      const targets = this.peers.targets();
      for (let at = 0; at < Math.min(MAX_SAMPLES, targets.length); at++) {
        const other = at + Math.floor(this.#options.rng() * (targets.length - at));
        const target = targets[at] as NodeId;
        targets[at] = targets[other] as NodeId;
        targets[other] = target;
      }
      this.#samples = { until: now + SAMPLE_SECONDS * 1_000, targets: targets.slice(0, MAX_SAMPLES) };
    }
    const budget = this.#budget(asked);
    const body = { interval: SAMPLE_SECONDS, num: this.peers.infoHashes, samples: NOTHING };
    const room = Math.floor((budget - this.#lengthOf(asked, body) - 2) / ID_BYTES);
    const samples = Buffer.concat(this.#samples.targets.slice(0, Math.max(0, room)));
    this.#reply(asked, this.#nodes(asked, { ...body, samples }, budget, query));
  }

  /** Adds as many of the closest nodes as there is room for. */
  #nodes(
    asked: IncomingQuery,
    body: ReplyBody,
    budget: number,
    query: { readonly target: NodeId; readonly want?: readonly (4 | 6)[] },
  ): ReplyBody {
    const { family, closest } = this.#options;
    let left = budget - this.#lengthOf(asked, body);
    const fields: { nodes?: Uint8Array; nodes6?: Uint8Array } = {};
    for (const wanted of query.want ?? [family]) {
      if (left < FIELD_BYTES) break;
      const room = Math.floor((left - FIELD_BYTES) / NODE_BYTES[wanted]);
      const nodes = closest(wanted, query.target).slice(0, room);
      const bytes = encodeNodes(nodes, wanted);
      fields[wanted === 4 ? 'nodes' : 'nodes6'] = bytes;
      left -= bytes.length + FIELD_BYTES;
    }
    return { ...body, ...fields };
  }

  #token(asked: IncomingQuery, target: NodeId, now: Millis): { readonly token: Uint8Array } {
    return { token: this.#tokens.make(asked.from.host, target, now) };
  }

  #whenProven(asked: IncomingQuery, answer: (isThere: boolean, budget: number) => void): void {
    const { family, isProven, prove } = this.#options;
    const isThere = isProven(asked.from);
    if (isThere || asked.readOnly) answer(isThere, this.#budget(asked));
    else
      prove(asked.from, (answered) =>
        answer(answered, answered ? MAX_REPLY_BYTES[family] : this.#budget(asked)),
      );
  }

  #budget({ from, lengthBytes }: IncomingQuery): number {
    const most = MAX_REPLY_BYTES[this.#options.family];
    return this.#options.isProven(from) ? most : Math.min(most, MAX_AMPLIFICATION * lengthBytes);
  }

  #lengthOf(asked: IncomingQuery, body: ReplyBody): number {
    return this.#write(asked, body).length;
  }

  #reply(asked: IncomingQuery, body: ReplyBody): void {
    this.#options.send(this.#write(asked, body), asked.from);
  }

  #write({ transaction, from }: IncomingQuery, body: ReplyBody): Uint8Array {
    const { ownId, family } = this.#options;
    return writeReply(transaction, ownId(), body, encodeAddress(from.host, from.port, family));
  }
}

const NOTHING = new Uint8Array(0);

const PUT_ERRORS: Readonly<Record<number, string>> = {
  [ERROR.tooBig]: 'v too big',
  [ERROR.badSignature]: 'invalid signature',
  [ERROR.saltTooBig]: 'salt too big',
  [ERROR.casMismatch]: 'cas mismatch',
  [ERROR.oldSequence]: 'sequence number less than current',
  [ERROR.server]: 'full',
};
