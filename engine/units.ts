/**
 * Units: numbers and strings that were checked once, at the edge, and are trusted after.
 *
 * A brand costs nothing at run time; it keeps a raw number from the wire from being used as an index.
 */
declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Index of a piece that exists in its torrent: 0 ≤ piece < pieceCount. */
export type PieceIndex = Branded<number, 'PieceIndex'>;
/** Milliseconds on a monotonic clock (never the time of day). */
export type Millis = Branded<number, 'Millis'>;
/** 20-byte SHA-1 of the raw `info` dictionary as 40 lower-case hex digits (BEP 3). */
export type InfoHash = Branded<string, 'InfoHash'>;

/** Bytes of one block, the unit of `request` and `piece` (BEP 3: 2^14). */
export const BLOCK_BYTES = 16_384;

/** Trusts `value` to be a piece of the torrent at hand; call it only after a bounds check. */
export const asPiece = (value: number): PieceIndex => value as PieceIndex;
/** Trusts `value` to be monotonic milliseconds. */
export const asMillis = (value: number): Millis => value as Millis;

/** Later than any time. */
export const NEVER = asMillis(Number.POSITIVE_INFINITY);

/** @throws RangeError when `hex` is not 40 hex digits */
export function asInfoHash(hex: string): InfoHash {
  if (!/^[0-9a-f]{40}$/i.test(hex))
    throw new RangeError(`an info-hash is 40 hex digits, got "${hex.slice(0, 60)}"`);
  return hex.toLowerCase() as InfoHash;
}

/** Where a peer listens or connects from. `host` is a literal IPv4 or IPv6 address, never a name. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** One string per address, to be used as a key: `1.2.3.4:6881`, `[::1]:6881`. */
export const addressKey = ({ host, port }: PeerAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** How we came to know a peer. */
export type PeerSourceName = 'tracker' | 'dht' | 'pex' | 'lsd' | 'user' | 'incoming';
/** How a router was made to forward a port. */
export type MappingProtocol = 'upnp' | 'nat-pmp' | 'pcp';
export type Transport = 'tcp' | 'udp';
/** Why no router forwards our port: nobody to ask, silence, nonsense, or no. */
export type MappingFailure = 'no-gateway' | 'no-answer' | 'bad-answer' | 'refused';
/** Uniform in [0, 1). */
export type Rng = () => number;
