/** Create: makes a v1 torrent (BEP 3, 12, 19, 27) of a file or folder. The same input and options give the same bytes. */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { SwarmError } from '../errors.js';
import { type EncodableValue, encodeBencode } from './bencode.js';
import { hashPieces, SHA1_BYTES } from './hash-pieces.js';
import { findInputFiles, type Input, type InputFile } from './input-files.js';
import type { Metainfo } from './metainfo.js';
import { parseTorrent } from './parse.js';

export interface CreateOptions {
  /** What the torrent is called. Default: the input's own name. */
  readonly name?: string;
  /** Bytes, a power of two from 16 KiB to 128 MiB. Default: see `choosePieceLength`. */
  readonly pieceLength?: number;
  /** Tiers (BEP 12). Default: none. */
  readonly trackers?: readonly (readonly string[])[];
  /** BEP 27. Left out of the torrent by default; false writes `private` 0, as transmission-create does. */
  readonly private?: boolean;
  readonly comment?: string;
  /** BEP 19. */
  readonly webSeeds?: readonly string[];
  /** Seconds since 1970. Default: none, so that the same input gives the same bytes. */
  readonly creationDate?: number;
  /** Default `swarm`. */
  readonly createdBy?: string;
  /** Default: one a core. */
  readonly threads?: number;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface CreatedTorrent {
  /** The torrent file. */
  readonly bytes: Uint8Array;
  /** Its files have the disk paths that they were read from, next to the input. */
  readonly metainfo: Metainfo;
  /** Paths below the input that are not in the torrent: links out of it, pipes, sockets, devices. */
  readonly skipped: readonly string[];
}

const KIB = 1024;
const MIB = 1024 * KIB;
const MIN_PIECE_BYTES = 16 * KIB;
const MAX_PIECE_BYTES = 128 * MIB;

/**
 * @param input path of a file or folder
 * @throws SwarmError INPUT_NOT_FOUND, INPUT_INVALID, USAGE_INVALID_OPTION, or TORRENT_* when no careful reader
 *   would take the torrent that it makes
 */
export async function createTorrent(input: string, options: CreateOptions = {}): Promise<CreatedTorrent> {
  const { signal, onProgress, creationDate = 0 } = options;
  if (!Number.isSafeInteger(creationDate) || creationDate < 0)
    throw invalidOption('creationDate', 'must be whole seconds since 1970', creationDate);
  const path = resolve(input);
  const found = await findInputFiles(path, signal);
  if (found.files.length === 0)
    throw new SwarmError('INPUT_INVALID', `no file to share in ${path}`, { path });
  const totalBytes = found.files.reduce((sum, file) => sum + file.lengthBytes, 0);
  const pieceLength = checkPieceLength(options.pieceLength ?? choosePieceLength(totalBytes));
  const pieces = new Uint8Array(Math.ceil(totalBytes / pieceLength) * SHA1_BYTES);
  const files = found.files.map((file) => ({
    path: file.absolutePath,
    lengthBytes: file.lengthBytes,
    padding: false,
  }));
  let faulty: InputFile | undefined;
  await hashPieces({
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    files,
    pieceLength,
    onPiece: (piece, sha1, faultyFile) => {
      if (sha1 !== undefined) pieces.set(sha1, piece * SHA1_BYTES);
      else faulty ??= found.files[faultyFile ?? 0];
    },
    onProgress,
    signal,
  });
  if (faulty !== undefined) throw await explainFault(faulty);
  const bytes = encodeTorrent(found, basename(path), pieceLength, pieces, options);
  return { bytes, metainfo: atInput(parseTorrent(bytes), found, basename(path)), skipped: found.skipped };
}

/**
 * The smallest power of two from 32 KiB that makes at most 2,048 pieces, up to 16 MiB: few enough for a small
 * torrent file, many enough for peers to have something to trade.
 */
export function choosePieceLength(totalBytes: number): number {
  let pieceLength = 32 * KIB;
  while (pieceLength < 16 * MIB && totalBytes > pieceLength * 2_048) pieceLength *= 2;
  return pieceLength;
}

function checkPieceLength(value: number): number {
  if (value >= MIN_PIECE_BYTES && value <= MAX_PIECE_BYTES && Number.isInteger(Math.log2(value)))
    return value;
  throw invalidOption(
    'pieceLength',
    `must be a power of two from ${MIN_PIECE_BYTES} to ${MAX_PIECE_BYTES}`,
    value,
  );
}

const invalidOption = (option: string, problem: string, value: number): SwarmError =>
  new SwarmError('USAGE_INVALID_OPTION', `${option} ${problem}, got ${value}`, { option, value });

async function explainFault({ absolutePath, lengthBytes }: InputFile): Promise<SwarmError> {
  const actual = await stat(absolutePath).catch(() => undefined);
  if (actual === undefined || actual.size >= lengthBytes)
    return new SwarmError('INPUT_NOT_FOUND', `cannot read ${absolutePath}`, { path: absolutePath });
  return new SwarmError('INPUT_INVALID', `${absolutePath} became shorter while it was read`, {
    path: absolutePath,
    lengthBytes,
    actualBytes: actual.size,
  });
}

function encodeTorrent(
  { singleFile, files }: Input,
  inputName: string,
  pieceLength: number,
  pieces: Uint8Array,
  options: CreateOptions,
): Uint8Array {
  const { trackers = [], webSeeds = [] } = options;
  const info: Record<string, EncodableValue> = {
    name: options.name ?? inputName,
    'piece length': pieceLength,
    pieces,
    ...(singleFile
      ? { length: files[0]?.lengthBytes ?? 0 }
      : { files: files.map(({ names, lengthBytes }) => ({ length: lengthBytes, path: names })) }),
    ...(options.private === undefined ? {} : { private: options.private ? 1 : 0 }),
  };
  const tiers = trackers.filter((tier) => tier.length > 0);
  return encodeBencode({
    announce: tiers[0]?.[0],
    'announce-list': tiers.flat().length > 1 ? tiers : undefined,
    comment: options.comment,
    'created by': options.createdBy ?? 'swarm',
    'creation date': options.creationDate,
    info,
    'url-list': webSeeds.length > 0 ? webSeeds : undefined,
  });
}

/** The files are read where they are, whatever they would be called elsewhere. */
function atInput(metainfo: Metainfo, { files }: Input, inputName: string): Metainfo {
  return {
    ...metainfo,
    files: metainfo.files.map((file, i) => ({
      ...file,
      diskPath: [inputName, ...(files[i]?.names ?? [])].join('/'),
    })),
  };
}
