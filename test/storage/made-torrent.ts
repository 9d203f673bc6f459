/** Made torrents: metainfo and contents for storage tests, made in memory. */
import { createHash } from 'node:crypto';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Metainfo } from '../../engine/metainfo/metainfo.js';
import type { PieceStore, PieceStoreHandler } from '../../engine/ports.js';
import { Storage, type StorageOptions } from '../../engine/storage/storage.js';
import { asInfoHash, asPiece, BLOCK_BYTES } from '../../engine/units.js';

export interface MadeFile {
  readonly path: string;
  readonly lengthBytes: number;
  readonly padding?: boolean;
  readonly executable?: boolean;
}

export interface MadeTorrent {
  readonly metainfo: Metainfo;
  /** All the torrent's bytes. */
  readonly bytes: Buffer;
  block(piece: number, begin: number): Buffer;
}

/** Bytes that tell where they are from, the same for the same seed; zeros in padding. */
export function makeTorrent(pieceLength: number, files: readonly MadeFile[] | number, seed = 1): MadeTorrent {
  const list: readonly MadeFile[] =
    typeof files === 'number' ? [{ path: `data-${seed}.bin`, lengthBytes: files }] : files;
  const totalBytes = list.reduce((sum, file) => sum + file.lengthBytes, 0);
  const bytes = Buffer.alloc(totalBytes);
  let state = seed * 2_654_435_761;
  for (let i = 0; i + 4 <= totalBytes; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, i);
  }
  let offset = 0;
  for (const file of list) {
    if (file.padding) bytes.fill(0, offset, offset + file.lengthBytes);
    offset += file.lengthBytes;
  }
  const pieceCount = Math.ceil(totalBytes / pieceLength);
  const hashes: Buffer[] = [];
  for (let piece = 0; piece < pieceCount; piece++) {
    hashes.push(sha1(bytes.subarray(piece * pieceLength, (piece + 1) * pieceLength)));
  }
  return {
    metainfo: makeMetainfo(pieceLength, list, Buffer.concat(hashes)),
    bytes,
    block: (piece, begin) => {
      const at = piece * pieceLength + begin;
      const pieceEnd = Math.min((piece + 1) * pieceLength, totalBytes);
      return bytes.subarray(at, Math.min(at + BLOCK_BYTES, pieceEnd));
    },
  };
}

export function makeMetainfo(pieceLength: number, list: readonly MadeFile[], pieceHashes: Buffer): Metainfo {
  const rawInfo = Buffer.concat([Buffer.from(JSON.stringify([pieceLength, list])), pieceHashes]);
  return {
    infoHash: asInfoHash(sha1(rawInfo).toString('hex')),
    rawInfo,
    name: 'made',
    pieceLength,
    pieceCount: pieceHashes.length / 20,
    totalBytes: list.reduce((sum, file) => sum + file.lengthBytes, 0),
    pieceHashes,
    files: list.map(({ path, lengthBytes, padding = false, executable = false }) => ({
      path: path.split('/'),
      diskPath: path,
      lengthBytes,
      padding,
      executable,
    })),
    singleFile: list.length === 1,
    private: false,
    trackers: [],
    webSeeds: [],
    dhtNodes: [],
    comment: null,
    createdBy: null,
    creationDate: null,
  };
}

export const sha1 = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest();

/** A folder that goes away with the test. */
export async function makeFolder(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'swarm-storage-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A storage that closes with the test, and its warnings. */
export function makeStorage(
  t: TestContext,
  folder: string,
  options: Partial<StorageOptions> = {},
): { storage: Storage; warnings: string[] } {
  const warnings: string[] = [];
  const storage = new Storage({
    arenaBytes: 4 * 1024 * 1024,
    readCacheBytes: 1024 * 1024,
    workers: 2,
    stateDir: join(folder, 'state'),
    onWarning: (text) => warnings.push(text),
    ...options,
  });
  t.after(() => storage.close());
  return { storage, warnings };
}

/** What the store told, with a way to wait for it. */
export class Told implements PieceStoreHandler {
  readonly events: string[] = [];
  #wake: (() => void) | undefined;

  constructor(store: PieceStore) {
    store.handler = this;
  }

  onPieceVerified(piece: number): void {
    this.#tell(`verified ${piece}`);
  }
  onPieceCorrupt(piece: number): void {
    this.#tell(`corrupt ${piece}`);
  }
  onFramesReady(piece: number): void {
    this.#tell(`ready ${piece}`);
  }
  onSlotFree(): void {
    this.#tell('slot');
  }
  onStoreFailed(error: { code: string }): void {
    this.#tell(`failed ${error.code}`);
  }

  /** Resolves when `condition` holds; tried after each event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  count(prefix: string): number {
    return this.events.filter((event) => event.startsWith(prefix)).length;
  }

  #tell(event: string): void {
    this.events.push(event);
    this.#wake?.();
  }
}

/** Gives every block of a begun piece. */
export function putPiece(store: PieceStore, torrent: MadeTorrent, piece: number): void {
  const { pieceLength, totalBytes } = torrent.metainfo;
  const pieceBytes = Math.min(pieceLength, totalBytes - piece * pieceLength);
  for (let begin = 0; begin < pieceBytes; begin += BLOCK_BYTES) {
    store.putBlock(asPiece(piece), begin, torrent.block(piece, begin));
  }
}

/** Downloads pieces as slots allow; resolves when all are verified, corrupt or the store failed. */
export async function fetchPieces(
  store: PieceStore,
  torrent: MadeTorrent,
  pieces: Iterable<number>,
): Promise<Told> {
  const told = new Told(store);
  let given = 0;
  for (const piece of pieces) {
    let slots = told.count('slot');
    while (!store.beginPiece(asPiece(piece))) {
      await told.until(() => told.count('slot') > slots || told.count('failed') > 0);
      if (told.count('failed') > 0) return told;
      slots = told.count('slot');
    }
    putPiece(store, torrent, piece);
    store.finishPiece(asPiece(piece));
    given++;
  }
  await told.until(
    () => told.count('verified') + told.count('corrupt') === given || told.count('failed') > 0,
  );
  return told;
}

export const allPieces = (torrent: MadeTorrent): number[] => [...Array(torrent.metainfo.pieceCount).keys()];
