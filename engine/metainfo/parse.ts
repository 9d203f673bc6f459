/** Parse: the bytes of a torrent file to a checked Metainfo (BEP 3, 5, 12, 19, 27, 47); BEP 52 hybrids by their v1 half. */
import { createHash } from 'node:crypto';
import { SwarmError } from '../errors.js';
import { asInfoHash } from '../units.js';
import { type BencodeDict, BencodeError, type BencodeValue, decodeBencodeWithSpan } from './bencode.js';
import { asBytes, asDict, asWhole, refuse, TextDecoding } from './fields.js';
import type { Metainfo, MetainfoFile } from './metainfo.js';
import { parseFiles } from './parse-files.js';
import { parseNodes, parseTrackers, parseWebSeeds } from './parse-sources.js';

/** 1.6 million pieces, or 300,000 files of a hundred bytes. libtorrent takes 10 MB. */
export const MAX_TORRENT_BYTES = 32 * 1024 * 1024;
/** As libtorrent. */
const MAX_PIECES = 2_097_152;
/** As libtorrent creates at most; a piece must fit in memory. */
const MAX_PIECE_BYTES = 128 * 1024 * 1024;
const MAX_DEPTH = 100;
/** Ten of them make a file of `info.files`. libtorrent takes 3 million. */
const MAX_TOKENS = 2_000_000;
const SHA1_BYTES = 20;

/**
 * `bytes` are copied: the caller may use their memory again.
 * @throws SwarmError TORRENT_NOT_BENCODE, TORRENT_INVALID, TORRENT_UNSAFE_PATH, TORRENT_TOO_LARGE or
 *   TORRENT_NOT_SUPPORTED, with the field and value in its message and details
 */
export function parseTorrent(bytes: Uint8Array): Metainfo {
  if (bytes.length > MAX_TORRENT_BYTES) {
    throw new SwarmError(
      'TORRENT_TOO_LARGE',
      `the torrent file has ${bytes.length} bytes; at most ${MAX_TORRENT_BYTES} are read`,
      { field: 'torrent file', value: bytes.length },
    );
  }
  const copy = new Uint8Array(bytes);
  const { root, rawInfo } = decodeTorrent(copy);
  const info = asDict(root.get('info'), 'info');
  refuseV2(info);
  const text = new TextDecoding(root.get('encoding') ?? info.get('encoding'));
  const name = text.optional(info, 'name.utf-8', 'name');
  if (name === null) throw refuse('info.name', info.get('name'), 'must be a string');
  const pieceLength = asWhole(info.get('piece length'), 'info.piece length', 1, MAX_PIECE_BYTES);
  const files = parseFiles(info, name, text);
  const totalBytes = addLengths(files, pieceLength);
  return {
    infoHash: asInfoHash(createHash('sha1').update(rawInfo).digest('hex')),
    rawInfo,
    name,
    pieceLength,
    pieceCount: Math.ceil(totalBytes / pieceLength),
    totalBytes,
    pieceHashes: parsePieces(info.get('pieces'), totalBytes, pieceLength),
    files,
    singleFile: !info.has('files'),
    private: isTrue(info.get('private')),
    trackers: parseTrackers(root, text),
    webSeeds: parseWebSeeds(root.get('url-list'), text),
    dhtNodes: parseNodes(root.get('nodes'), text),
    comment: text.optional(root, 'comment.utf-8', 'comment'),
    createdBy: text.optional(root, 'created by.utf-8', 'created by'),
    creationDate: parseDate(root.get('creation date')),
  };
}

function decodeTorrent(bytes: Uint8Array): { root: BencodeDict; rawInfo: Uint8Array } {
  try {
    const { value, span } = decodeBencodeWithSpan(bytes, 'info', {
      maxDepth: MAX_DEPTH,
      maxTokens: MAX_TOKENS,
    });
    const root = asDict(value, 'torrent file');
    if (span === undefined) throw refuse('info', undefined, 'must be a dictionary');
    return { root, rawInfo: bytes.subarray(span.start, span.end) };
  } catch (thrown) {
    if (!(thrown instanceof BencodeError)) throw thrown;
    throw new SwarmError(
      'TORRENT_NOT_BENCODE',
      `the torrent file is not valid bencode: ${thrown.message}`,
      { field: 'torrent file', value: thrown.reason, offset: thrown.offset },
      { cause: thrown },
    );
  }
}

/** A hybrid has both halves, and its v1 half is complete in itself. */
function refuseV2(info: BencodeDict): void {
  const version = info.get('meta version');
  if (version !== undefined && !info.has('pieces'))
    throw refuse('info.meta version', version, 'is not supported without v1 pieces', 'TORRENT_NOT_SUPPORTED');
}

function addLengths(files: readonly MetainfoFile[], pieceLength: number): number {
  let total = 0;
  for (const { lengthBytes } of files) {
    total += lengthBytes;
    if (total > MAX_PIECES * pieceLength) {
      throw refuse(
        'info.piece length',
        pieceLength,
        `makes more than ${MAX_PIECES} pieces of ${total} bytes`,
        'TORRENT_TOO_LARGE',
      );
    }
  }
  return total;
}

function parsePieces(value: BencodeValue | undefined, totalBytes: number, pieceLength: number): Uint8Array {
  const hashes = asBytes(value, 'info.pieces');
  const expected = Math.ceil(totalBytes / pieceLength) * SHA1_BYTES;
  if (hashes.length !== expected) {
    const needs = `must have ${expected} bytes, for ${totalBytes} bytes in pieces of ${pieceLength}`;
    throw refuse('info.pieces', hashes.length, needs);
  }
  return hashes;
}

const isTrue = (value: BencodeValue | undefined): boolean =>
  (typeof value === 'number' || typeof value === 'bigint') && value !== 0;

/** 100 million days on either side of 1970 is all that a Date can hold. */
const parseDate = (value: BencodeValue | undefined): number | null =>
  typeof value === 'number' && value >= 0 && value <= 8.64e12 ? value : null;
