/** Messages of the peer wire: their ids and the largest sizes that we take. */

/** BEP 3, BEP 5 (port), BEP 6 (suggest … allowed fast), BEP 10 (extended). */
export const MESSAGE = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
} as const;

/** BEP 3 says 2^14 and that larger is tolerated up to 2^17 by some; nothing in the wild exceeds that. */
export const MAX_BLOCK_BYTES = 128 * 1024;
/**
 * Id and body of any message, a bitfield excepted, which has the length that the torrent gives it. The largest
 * real one beside a block is a metadata piece, 17 KiB (BEP 9).
 */
export const MAX_MESSAGE_BYTES = MAX_BLOCK_BYTES + 9;
