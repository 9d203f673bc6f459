/** Messages of the virtual wire: kinds, and bytes on the wire as BEP 3, 6 and 10 have them. */

export const MESSAGE = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  block: 7,
  cancel: 8,
  reject: 9,
  extendedHandshake: 10,
  /** A block whose bytes are not what the torrent says. */
  corruptBlock: 11,
  /** The end of a connection; no bytes. */
  close: 12,
} as const;
export type MessageKind = (typeof MESSAGE)[keyof typeof MESSAGE];

/** choke, unchoke, interested, not interested, have-all, have-none. */
export const STATE_BYTES = 5;
export const HAVE_BYTES = 9;
/** request, cancel, reject. */
export const REQUEST_BYTES = 17;
/** On top of a block or bitfield. */
export const BLOCK_HEADER_BYTES = 13;
export const BITFIELD_HEADER_BYTES = 5;
/** About what ours has. */
export const EXTENDED_HANDSHAKE_BYTES = 120;

export const isBlockKind = (kind: MessageKind): boolean =>
  kind === MESSAGE.block || kind === MESSAGE.corruptBlock;
