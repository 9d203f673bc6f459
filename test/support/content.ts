/** Content to move: the same bytes for the same seed, written fast, and compared by SHA-256. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

const CHUNK_BYTES = 1024 * 1024;

/** Writes `lengthBytes` bytes that no compressor and no block of zeros equals, and makes the folders above. */
export async function writeContent(path: string, lengthBytes: number, seed: number | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const key = createHash('sha256').update(`content ${seed}`).digest().subarray(0, 16);
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK_BYTES);
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < lengthBytes; at += CHUNK_BYTES) {
      await file.write(stream.update(zeros.subarray(0, Math.min(CHUNK_BYTES, lengthBytes - at))));
    }
  } finally {
    await file.close();
  }
}

/** Relative path → length. */
export type FolderPlan = Readonly<Record<string, number>>;

/**
 * A folder with every shape of file that pieces of `pieceLength` bytes can meet, names beyond ASCII and sub-folders
 * included; its last piece has one byte.
 */
export function variedFolder(pieceLength: number): FolderPlan {
  const plan = {
    'a file of three pieces.bin': 3 * pieceLength,
    'empty.txt': 0,
    'nested/deeper/several pieces.bin': 5 * pieceLength + 4_321,
    'nested/one byte': 1,
    'nested/smaller than a piece.txt': Math.floor(pieceLength / 3),
    'small/1.txt': 17,
    'small/2.txt': 16_384,
    'small/3.txt': 16_385,
    'ünïcode/種子 – семя.bin': pieceLength + 1,
  };
  const total = Object.values(plan).reduce((sum, bytes) => sum + bytes, 0);
  return { ...plan, 'z last.bin': 2 * pieceLength - (total % pieceLength) + 1 };
}

export async function writeFolder(folder: string, plan: FolderPlan, seed: number | string): Promise<void> {
  for (const [path, lengthBytes] of Object.entries(plan)) {
    await writeContent(join(folder, path), lengthBytes, `${seed} ${path}`);
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Relative path → SHA-256 of every file in `folder`, in order. */
async function folderDigests(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const digests: Record<string, string> = {};
  for (const path of paths.sort()) digests[relative(folder, path)] = await sha256(path);
  return digests;
}

/** Of no bytes at all. */
const EMPTY_SHA256 = createHash('sha256').digest('hex');

/** Fails, naming the files, unless both folders hold the same files with the same bytes. */
export async function assertSameContent(
  actual: string,
  expected: string,
  { exceptEmptyFiles = false } = {},
): Promise<void> {
  const wanted = Object.entries(await folderDigests(expected)).filter(
    ([, digest]) => !exceptEmptyFiles || digest !== EMPTY_SHA256,
  );
  assert.deepEqual(await folderDigests(actual), Object.fromEntries(wanted));
}
