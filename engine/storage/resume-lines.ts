/**
 * Resume lines: the text of a resume file. Line 1 is the checkpoint; each later line was appended around one
 * piece's write. Every line carries its own checksum, so a torn or foreign line is left out, never believed.
 */
import { createHash } from 'node:crypto';

/** The state of the files when the checkpoint was written. */
export interface Checkpoint {
  readonly version: 1;
  readonly infoHash: string;
  /** Real path of the download folder. */
  readonly root: string;
  /** Names the system's uptime; what was written before another boot may not have reached the disk. */
  readonly bootId: string;
  /** When this line was written, ms since 1970. */
  readonly timeMs: number;
  /** The verified pieces, as on the wire, in base64. */
  readonly have: string;
  /** Size (-1: missing) and modification time in ns, each file in turn. */
  readonly files: readonly string[];
}

/** `w` piece, time: about to be written. `d` piece, then file, size, mtime in turn: written. */
export type ResumeRecord =
  | readonly ['w', piece: number, timeMs: number]
  | readonly ['d', piece: number, ...files: string[]];

/** A resume file that was read. */
export interface Resume {
  readonly checkpoint: Checkpoint;
  /** In the order of the file. */
  readonly records: readonly ResumeRecord[];
}

const CHECK_CHARS = 16;

export function encodeResumeLine(value: Checkpoint | ResumeRecord): string {
  const text = JSON.stringify(value);
  return `${checksum(text)} ${text}\n`;
}

/** Undefined unless the first line is intact and is a checkpoint with `fileCount` files. */
export function parseResume(text: string, fileCount: number): Resume | undefined {
  const [first, ...rest] = text.split('\n');
  const checkpoint = parseLine(first ?? '');
  if (!isCheckpoint(checkpoint, fileCount)) return undefined;
  return { checkpoint, records: rest.map(parseLine).filter(isRecord) };
}

function parseLine(line: string): unknown {
  const json = line.slice(CHECK_CHARS + 1);
  if (line.slice(0, CHECK_CHARS) !== checksum(json)) return undefined;
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isBigText = (value: unknown): value is string =>
  typeof value === 'string' && /^-?\d{1,18}$|^-?\d{19}$/.test(value);

function isCheckpoint(value: unknown, fileCount: number): value is Checkpoint {
  if (typeof value !== 'object' || value === null) return false;
  const c = value as Partial<Record<keyof Checkpoint, unknown>>;
  return (
    c.version === 1 &&
    [c.infoHash, c.root, c.bootId, c.have].every((text) => typeof text === 'string') &&
    isWhole(c.timeMs) &&
    Array.isArray(c.files) &&
    c.files.length === fileCount * 2 &&
    c.files.every(isBigText)
  );
}

function isRecord(value: unknown): value is ResumeRecord {
  if (!Array.isArray(value) || !isWhole(value[1])) return false;
  if (value[0] === 'w') return value.length === 3 && isWhole(value[2]);
  return value[0] === 'd' && value.length % 3 === 2 && value.slice(2).every(isBigText);
}

function checksum(text: string): string {
  return createHash('sha1').update(text).digest('hex').slice(0, CHECK_CHARS);
}
