/** Metadata messages: the `ut_metadata` extension (BEP 9), a bencoded dictionary and, in `data`, what follows it. */
import { BencodeError, type BencodeValue, decodeBencodePrefix } from '../metainfo/bencode.js';
import type { MetadataMessage } from '../ports.js';

export const METADATA_EXTENSION = 'ut_metadata';

/** Real ones are below 60 bytes. */
const LIMITS = { maxDepth: 4, maxTokens: 32 };
const KINDS = ['request', 'data', 'reject'] as const;
const MAX_PIECE = 2 ** 20;
const MAX_TOTAL_BYTES = 2 ** 31;

/** @returns a string that says why, when it is none; undefined for a kind that a later version may have */
export function decodeMetadataMessage(payload: Uint8Array): MetadataMessage | string | undefined {
  let root: BencodeValue;
  let end: number;
  try {
    ({ value: root, end } = decodeBencodePrefix(payload, LIMITS));
  } catch (error) {
    return error instanceof BencodeError ? error.message : 'not bencode';
  }
  if (!(root instanceof Map)) return 'not a dictionary';
  const type = root.get('msg_type');
  const piece = root.get('piece');
  if (!isWhole(type, 255) || !isWhole(piece, MAX_PIECE)) return 'no type and piece';
  const kind = KINDS[type];
  if (kind !== 'data') return kind && { kind, piece };
  const totalBytes = root.get('total_size');
  if (!isWhole(totalBytes, MAX_TOTAL_BYTES)) return 'data without a size';
  return { kind, piece, totalBytes, bytes: payload.subarray(end) };
}

export function encodeMetadataMessage(message: MetadataMessage): Uint8Array {
  const type = KINDS.indexOf(message.kind);
  const total = message.kind === 'data' ? `10:total_sizei${message.totalBytes}e` : '';
  const head = Buffer.from(`d8:msg_typei${type}e5:piecei${message.piece}e${total}e`, 'latin1');
  return message.kind === 'data' ? Buffer.concat([head, message.bytes]) : head;
}

function isWhole(value: BencodeValue | undefined, max: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= max;
}
