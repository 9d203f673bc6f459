/** Peer exchange on the wire (BEP 11): the payload of `ut_pex`, IPv4 and IPv6, with a byte of flags for each peer added. */
import { type BencodeValue, decodeBencode, encodeBencode } from '../metainfo/bencode.js';
import { ipBytes } from '../policy/ip-address.js';
import type { PexCodec, PexMessage, PexPeer } from '../ports.js';
import type { PeerAddress } from '../units.js';
import { parseCompactPeers4, parseCompactPeers6 } from './compact-peers.js';

/** 200 peers of each family added and dropped. */
const MAX_BYTES = 16 * 1024;
/** Six strings in one dictionary, and keys that we do not know. */
const LIMITS = { maxDepth: 4, maxTokens: 64 };

const FAMILIES = [
  { suffix: '', hostBytes: 4, parse: parseCompactPeers4 },
  { suffix: '6', hostBytes: 16, parse: parseCompactPeers6 },
] as const;

type Family = (typeof FAMILIES)[number];

export const pexCodec: PexCodec = {
  name: 'ut_pex',

  encode({ added, dropped }) {
    const message: Record<string, Uint8Array> = {};
    for (const { suffix, hostBytes } of FAMILIES) {
      const ofFamily = ({ host }: PeerAddress): boolean => ipBytes(host)?.length === hostBytes;
      const addedHere = added.filter(ofFamily);
      const droppedHere = dropped.filter(ofFamily);
      if (addedHere.length > 0) {
        message[`added${suffix}`] = pack(addedHere);
        message[`added${suffix}.f`] = Uint8Array.from(addedHere, ({ flags }) => flags);
      }
      if (droppedHere.length > 0) message[`dropped${suffix}`] = pack(droppedHere);
    }
    // Some receivers look for it whatever else there is.
    message.added ??= new Uint8Array(0);
    return encodeBencode(message);
  },

  decode(payload) {
    if (payload.length > MAX_BYTES) return `${payload.length} bytes`;
    let root: BencodeValue;
    try {
      root = decodeBencode(payload, LIMITS);
    } catch (error) {
      return error instanceof Error ? error.message : 'not bencode';
    }
    if (!(root instanceof Map)) return 'not a dictionary';
    const added: PexPeer[] = [];
    const dropped: PeerAddress[] = [];
    for (const family of FAMILIES) {
      const list = peersOf(root, `added${family.suffix}`, family);
      const gone = peersOf(root, `dropped${family.suffix}`, family);
      if (typeof list === 'string') return list;
      if (typeof gone === 'string') return gone;
      const flags = root.get(`added${family.suffix}.f`);
      list.forEach((address, i) => {
        if (address === undefined) return;
        added.push({ ...address, flags: flags instanceof Uint8Array ? (flags[i] ?? 0) : 0 });
      });
      for (const address of gone) if (address !== undefined) dropped.push(address);
    }
    return { added, dropped } satisfies PexMessage;
  },
};

/** In the order of the flags: undefined where nobody can be. A text says what is wrong. */
function peersOf(
  root: Map<string, BencodeValue>,
  key: string,
  { hostBytes, parse }: Family,
): (PeerAddress | undefined)[] | string {
  const bytes = root.get(key);
  if (bytes === undefined) return [];
  const entryBytes = hostBytes + 2;
  if (!(bytes instanceof Uint8Array) || bytes.length % entryBytes !== 0)
    return `"${key}" is no list of peers`;
  const peers: (PeerAddress | undefined)[] = [];
  for (let at = 0; at < bytes.length; at += entryBytes)
    peers.push(parse(bytes.subarray(at, at + entryBytes))[0]);
  return peers;
}

function pack(peers: readonly PeerAddress[]): Uint8Array {
  return Uint8Array.from(
    peers.flatMap(({ host, port }) => [...(ipBytes(host) ?? []), port >>> 8, port & 0xff]),
  );
}
