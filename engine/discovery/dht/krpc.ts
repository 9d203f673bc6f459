/**
 * KRPC, the DHT's messages (BEP 5, 32, 33, 42, 43, 44, 51): read strictly into typed messages, written from them.
 * What passes `readMessage` has every field that its method needs, of the right type and in its bounds.
 */
import { type BencodeDict, type BencodeValue, decodeBencode } from '../../metainfo/bencode.js';
import type { PeerAddress } from '../../units.js';
import { Encoded, type Writable, writeBencode } from './bencode-writer.js';
import { decodeNodes, readAddress } from './compact-nodes.js';
import { ID_BYTES, type NodeContact, type NodeId } from './node-id.js';

/** Larger ones are nobody's: no message that we know exceeds an Ethernet frame. */
const MAX_DATAGRAM_BYTES = 2_048;
/** A value of BEP 44 may nest; all else has depth 3. */
const LIMITS = { maxDepth: 24, maxTokens: 1_024 };
const MAX_TRANSACTION_BYTES = 32;
const MAX_TOKEN_BYTES = 128;
/** Nodes taken of one reply: BEP 5 says 8, some send 16. */
const MAX_NODES = 16;
const MAX_VALUES = 100;
export const BLOOM_BYTES = 256;
const MAX_SAMPLES = 64;
const MAX_ERROR_CHARACTERS = 100;

export const ERROR = {
  generic: 201,
  server: 202,
  protocol: 203,
  unknownMethod: 204,
  tooBig: 205,
  badSignature: 206,
  saltTooBig: 207,
  casMismatch: 301,
  oldSequence: 302,
} as const;

/** A mutable item's envelope (BEP 44). */
export interface Signed {
  /** 32 bytes, ed25519. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly sequence: bigint;
}

/** Which families of nodes a reply should name (BEP 32). */
type Want = readonly (4 | 6)[];

export type Query =
  | { readonly method: 'ping' }
  | { readonly method: 'find_node'; readonly target: NodeId; readonly want?: Want }
  | {
      readonly method: 'get_peers';
      readonly target: NodeId;
      readonly want?: Want;
      readonly noSeeds?: boolean;
      readonly scrape?: boolean;
    }
  | {
      readonly method: 'announce_peer';
      readonly target: NodeId;
      readonly token: Uint8Array;
      /** 1…65,535; with `impliedPort` the port that the query came from counts. */
      readonly port: number;
      readonly impliedPort: boolean;
      readonly seed: boolean;
    }
  | {
      readonly method: 'get';
      readonly target: NodeId;
      readonly want?: Want;
      readonly sequence?: bigint;
    }
  | {
      readonly method: 'put';
      readonly token: Uint8Array;
      /** Bencode, canonical. */
      readonly value: Uint8Array;
      readonly signed?: Signed;
      readonly salt?: Uint8Array;
      readonly cas?: bigint;
    }
  | { readonly method: 'sample_infohashes'; readonly target: NodeId; readonly want?: Want };

export interface Reply {
  readonly id: NodeId;
  readonly nodes: readonly NodeContact[];
  readonly nodes6: readonly NodeContact[];
  readonly values: readonly PeerAddress[];
  readonly token?: Uint8Array;
  /** Bloom filters of seeds and of others (BEP 33), 256 bytes each. */
  readonly seedFilter?: Uint8Array;
  readonly peerFilter?: Uint8Array;
  /** Bencode, canonical. */
  readonly value?: Uint8Array;
  readonly signed?: Signed;
  readonly sequence?: bigint;
  /** Info-hashes, 20 bytes each (BEP 51). */
  readonly samples?: readonly Uint8Array[];
}

export type Message =
  | {
      readonly kind: 'query';
      readonly transaction: Uint8Array;
      readonly id: NodeId;
      readonly readOnly: boolean;
      readonly query: Query;
    }
  /** A query that deserves an error, for its transaction is readable. */
  | { readonly kind: 'bad-query'; readonly transaction: Uint8Array; readonly code: number }
  | {
      readonly kind: 'reply';
      readonly transaction: Uint8Array;
      readonly reply: Reply;
      /** Our address as the other node sees it (BEP 42). */
      readonly seenAs: PeerAddress | undefined;
    }
  | {
      readonly kind: 'error';
      readonly transaction: Uint8Array;
      readonly code: number;
      /** Untrusted; bounded. */
      readonly text: string;
    };

/** Undefined for anything that is no KRPC message. @param family of the network that it came through */
export function readMessage(datagram: Uint8Array, family: 4 | 6): Message | undefined {
  if (datagram.length > MAX_DATAGRAM_BYTES) return undefined;
  let root: BencodeValue;
  try {
    root = decodeBencode(datagram, LIMITS);
  } catch {
    return undefined;
  }
  if (!(root instanceof Map)) return undefined;
  const transaction = bytesOf(root, 't', 1, MAX_TRANSACTION_BYTES);
  if (transaction === undefined) return undefined;
  switch (textOf(root, 'y')) {
    case 'q':
      return readQuery(root, transaction);
    case 'r':
      return readReply(root, transaction, family);
    case 'e':
      return readError(root, transaction);
    default:
      return undefined;
  }
}

function readQuery(root: BencodeDict, transaction: Uint8Array): Message {
  const args = root.get('a');
  const method = textOf(root, 'q');
  if (!(args instanceof Map) || method === undefined)
    return { kind: 'bad-query', transaction, code: ERROR.protocol };
  const id = bytesOf(args, 'id', ID_BYTES);
  const query = id === undefined ? ERROR.protocol : readArguments(method, args);
  if (id === undefined || typeof query === 'number')
    return { kind: 'bad-query', transaction, code: typeof query === 'number' ? query : ERROR.protocol };
  return { kind: 'query', transaction, id: id.slice(), readOnly: root.get('ro') === 1, query };
}

/** @returns the code of the error when an argument is missing or wrong */
function readArguments(method: string, args: BencodeDict): Query | number {
  const target = bytesOf(
    args,
    method.endsWith('_peers') || method === 'announce_peer' ? 'info_hash' : 'target',
    ID_BYTES,
  )?.slice();
  const want = wantOf(args.get('want'));
  const wanted = want === undefined ? {} : { want };
  if (method === 'ping') return { method };
  if (method === 'put') return readPut(args);
  // A method that we do not know but that has a target is answered as find_node is (BEP 51, "Footnotes").
  if (target === undefined) return isKnown(method) ? ERROR.protocol : ERROR.unknownMethod;
  switch (method) {
    case 'get_peers':
      return {
        method,
        target,
        ...wanted,
        noSeeds: args.get('noseed') === 1,
        scrape: args.get('scrape') === 1,
      };
    case 'announce_peer':
      return readAnnounce(args, target);
    case 'get': {
      const sequence = integerOf(args.get('seq'));
      return { method, target, ...wanted, ...(sequence === undefined ? {} : { sequence }) };
    }
    case 'sample_infohashes':
      return { method, target, ...wanted };
    default:
      return { method: 'find_node', target, ...wanted };
  }
}

const isKnown = (method: string): boolean =>
  ['find_node', 'get_peers', 'announce_peer', 'get', 'sample_infohashes'].includes(method);

function readAnnounce(args: BencodeDict, target: NodeId): Query | number {
  const token = bytesOf(args, 'token', 1, MAX_TOKEN_BYTES);
  const port = args.get('port');
  const implied = args.get('implied_port');
  const isImplied = typeof implied === 'number' && implied !== 0;
  const isPort = typeof port === 'number' && port > 0 && port <= 65_535;
  if (token === undefined || (!isImplied && !isPort)) return ERROR.protocol;
  return {
    method: 'announce_peer',
    target,
    token,
    port: isPort ? port : 1,
    impliedPort: isImplied,
    seed: args.get('seed') === 1,
  };
}

function readPut(args: BencodeDict): Query | number {
  const token = bytesOf(args, 'token', 1, MAX_TOKEN_BYTES);
  const value = args.get('v');
  if (token === undefined || value === undefined) return ERROR.protocol;
  const put = { method: 'put', token, value: writeBencode(value) } as const;
  if (!args.has('k') && !args.has('sig')) return put;
  const signed = signedOf(args);
  if (signed === undefined) return ERROR.protocol;
  const salt = args.get('salt');
  if (salt !== undefined && !(salt instanceof Uint8Array)) return ERROR.protocol;
  const cas = integerOf(args.get('cas'));
  return {
    ...put,
    signed,
    ...(salt === undefined || salt.length === 0 ? {} : { salt }),
    ...(cas === undefined ? {} : { cas }),
  };
}

function readReply(root: BencodeDict, transaction: Uint8Array, family: 4 | 6): Message | undefined {
  const body = root.get('r');
  if (!(body instanceof Map)) return undefined;
  const id = bytesOf(body, 'id', ID_BYTES)?.slice();
  if (id === undefined) return undefined;
  const token = bytesOf(body, 'token', 1, MAX_TOKEN_BYTES)?.slice();
  const seedFilter = bytesOf(body, 'BFsd', BLOOM_BYTES)?.slice();
  const peerFilter = bytesOf(body, 'BFpe', BLOOM_BYTES)?.slice();
  const samples = bytesOf(body, 'samples', 0, MAX_DATAGRAM_BYTES);
  const signed = signedOf(body);
  const sequence = integerOf(body.get('seq'));
  const value = body.get('v');
  const ip = root.get('ip');
  return {
    kind: 'reply',
    transaction,
    seenAs: ip instanceof Uint8Array ? readAddress(ip, family) : undefined,
    reply: {
      id,
      nodes: decodeNodes(bytesOf(body, 'nodes', 0, MAX_DATAGRAM_BYTES) ?? NOTHING, 4, MAX_NODES),
      nodes6: decodeNodes(bytesOf(body, 'nodes6', 0, MAX_DATAGRAM_BYTES) ?? NOTHING, 6, MAX_NODES),
      values: readValues(body.get('values')),
      ...(token === undefined ? {} : { token }),
      ...(seedFilter === undefined ? {} : { seedFilter }),
      ...(peerFilter === undefined ? {} : { peerFilter }),
      ...(value === undefined ? {} : { value: writeBencode(value) }),
      ...(signed === undefined ? {} : { signed }),
      ...(sequence === undefined ? {} : { sequence }),
      ...(samples === undefined ? {} : { samples: readSamples(samples) }),
    },
  };
}

const NOTHING = new Uint8Array(0);

function readError(root: BencodeDict, transaction: Uint8Array): Message {
  const error = root.get('e');
  const [code, text] = Array.isArray(error) ? error : [];
  return {
    kind: 'error',
    transaction,
    code: typeof code === 'number' ? code : ERROR.generic,
    text:
      text instanceof Uint8Array
        ? new TextDecoder().decode(text.subarray(0, MAX_ERROR_CHARACTERS * 4)).slice(0, MAX_ERROR_CHARACTERS)
        : '',
  };
}

function readValues(list: BencodeValue | undefined): PeerAddress[] {
  const peers: PeerAddress[] = [];
  if (!Array.isArray(list)) return peers;
  for (const item of list.slice(0, MAX_VALUES)) {
    if (!(item instanceof Uint8Array)) continue;
    const peer = readAddress(item, item.length === 18 ? 6 : 4);
    if (peer !== undefined) peers.push(peer);
  }
  return peers;
}

function readSamples(bytes: Uint8Array): Uint8Array[] {
  const samples: Uint8Array[] = [];
  for (let at = 0; at + ID_BYTES <= bytes.length && samples.length < MAX_SAMPLES; at += ID_BYTES)
    samples.push(bytes.slice(at, at + ID_BYTES));
  return samples;
}

function signedOf(dict: BencodeDict): Signed | undefined {
  const publicKey = bytesOf(dict, 'k', 32)?.slice();
  const signature = bytesOf(dict, 'sig', 64)?.slice();
  const sequence = integerOf(dict.get('seq'));
  if (publicKey === undefined || signature === undefined || sequence === undefined) return undefined;
  return { publicKey, signature, sequence };
}

function wantOf(list: BencodeValue | undefined): Want | undefined {
  if (!Array.isArray(list)) return undefined;
  const names = list.slice(0, 8).map((item) => (item instanceof Uint8Array ? asText(item) : ''));
  const want = ([4, 6] as const).filter((family) => names.includes(`n${family}`));
  return want.length === 0 ? undefined : want;
}

function bytesOf(dict: BencodeDict, key: string, min: number, max = min): Uint8Array | undefined {
  const value = dict.get(key);
  if (!(value instanceof Uint8Array) || value.length < min || value.length > max) return undefined;
  return value;
}

const MAX_INT64 = 2n ** 63n - 1n;

function integerOf(value: BencodeValue | undefined): bigint | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const integer = BigInt(value);
  return integer >= 0n && integer <= MAX_INT64 ? integer : undefined;
}

const asText = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 32)).toString('latin1');

function textOf(dict: BencodeDict, key: string): string | undefined {
  const value = dict.get(key);
  return value instanceof Uint8Array && value.length <= 32 ? asText(value) : undefined;
}

// ─── Writing ─────────────────────────────────────────────────────────────────────────────────────────────

/** @param readOnly tells the other not to keep us (BEP 43) */
export function writeQuery(transaction: Uint8Array, id: NodeId, query: Query, readOnly: boolean): Uint8Array {
  return writeBencode({
    a: { id, ...argumentsOf(query) },
    q: query.method,
    ro: readOnly ? 1 : undefined,
    t: transaction,
    y: 'q',
  });
}

function argumentsOf(query: Query): { readonly [key: string]: Writable | undefined } {
  const want =
    'want' in query && query.want !== undefined ? query.want.map((family) => `n${family}`) : undefined;
  switch (query.method) {
    case 'ping':
      return {};
    case 'get_peers':
      return {
        info_hash: query.target,
        want,
        noseed: query.noSeeds === true ? 1 : undefined,
        scrape: query.scrape === true ? 1 : undefined,
      };
    case 'announce_peer':
      return {
        info_hash: query.target,
        implied_port: query.impliedPort ? 1 : 0,
        port: query.port,
        seed: query.seed ? 1 : undefined,
        token: query.token,
      };
    case 'get':
      return { target: query.target, want, seq: query.sequence };
    case 'put':
      return {
        cas: query.cas,
        k: query.signed?.publicKey,
        salt: query.salt,
        seq: query.signed?.sequence,
        sig: query.signed?.signature,
        token: query.token,
        v: new Encoded(query.value),
      };
    default:
      return { target: query.target, want };
  }
}

/** The fields of a reply as they go on the wire, `id` and our address aside. */
export type ReplyBody = { readonly [key: string]: Writable | undefined };

/** @param seenAs the other's address, compact (BEP 42) */
export function writeReply(
  transaction: Uint8Array,
  id: NodeId,
  body: ReplyBody,
  seenAs: Uint8Array,
): Uint8Array {
  return writeBencode({ ip: seenAs, r: { id, ...body }, t: transaction, y: 'r' });
}

export function writeError(transaction: Uint8Array, code: number, text: string): Uint8Array {
  return writeBencode({ e: [code, text], t: transaction, y: 'e' });
}
