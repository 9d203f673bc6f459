/**
 * Piece writer: what a worker thread does with one piece: hash it and, if good, write it to its files from the
 * same memory, leaving a resume line before and after. Synchronous; any thread may write any piece.
 */
import { closeSync, fstatSync, writeSync } from 'node:fs';
import { FileLayout } from '../policy/file-layout.js';
import { TorrentGeometry } from '../policy/torrent-geometry.js';
import { asPiece } from '../units.js';
import { forEachPart, hashSlot } from './arena.js';
import { FileFacts } from './file-facts.js';
import { encodeResumeLine, type ResumeRecord } from './resume-lines.js';
import { assertLinked, CREATE_FLAGS, openSafelySync, WRITE_FLAGS } from './safe-open.js';

/** What a worker knows of a torrent; sent once. */
export interface WriterTorrent {
  /** Real path of the download folder. */
  readonly root: string;
  readonly pieceLength: number;
  readonly files: readonly WriterFile[];
  /** 20 bytes a piece. */
  readonly pieceHashes: SharedArrayBuffer;
  readonly facts: SharedArrayBuffer;
}

interface WriterFile {
  readonly diskPath: string;
  readonly lengthBytes: number;
  readonly padding: boolean;
  readonly executable: boolean;
}

/** Descriptors of the piece's first and last file; -1 where the owner has none open. */
export interface EdgeFiles {
  first: number;
  last: number;
}

/** `unjournaled`: written, but the resume file could not be. */
export type WriteOutcome = 'written' | 'unjournaled' | 'corrupt';

/** A piece's part in one file. */
interface Span {
  readonly file: number;
  readonly fileOffset: number;
  readonly length: number;
  /** Counts from the piece's first byte. */
  readonly at: number;
}

export class PieceWriter {
  readonly #torrent: WriterTorrent;
  readonly #geometry: TorrentGeometry;
  readonly #layout: FileLayout;
  readonly #hashes: Buffer;
  readonly #facts: FileFacts;

  constructor(torrent: WriterTorrent) {
    this.#torrent = torrent;
    this.#layout = new FileLayout(torrent.files);
    this.#geometry = new TorrentGeometry(torrent.pieceLength, this.#layout.totalBytes);
    this.#hashes = Buffer.from(torrent.pieceHashes);
    this.#facts = new FileFacts(torrent.facts);
  }

  /**
   * Leaves in `edges` the descriptors that stay open for the neighbouring pieces; files that lie wholly inside
   * the piece are closed at once. `journalFd` -1: none. Throws errnos with `path`; then all it opened is closed
   * and `edges` means nothing.
   */
  write(
    piece: number,
    bytes: Buffer,
    runs: readonly number[],
    edges: EdgeFiles,
    journalFd: number,
  ): WriteOutcome {
    const length = this.#geometry.pieceBytes(asPiece(piece));
    const expected = this.#hashes.subarray(piece * 20, piece * 20 + 20);
    if (!hashSlot(bytes, runs, 0, length).equals(expected)) return 'corrupt';

    const spans = this.spansOf(piece);
    let journaled = appendLine(journalFd, ['w', piece, Date.now()]);
    const opened: number[] = [];
    const written: string[] = [];
    let file = 0;
    try {
      spans.forEach((span, index) => {
        file = span.file;
        const isFirst = index === 0;
        const isLast = index === spans.length - 1;
        let fd = isFirst ? edges.first : isLast ? edges.last : -1;
        if (fd < 0) {
          fd = this.#open(span.file);
          opened.push(fd);
        }
        this.#writeSpan(fd, span, bytes, runs);
        written.push(...this.#note(fd, span.file));
        if (isFirst && this.#reachesOut(span)) edges.first = fd;
        else if (isLast && this.#reachesOut(span)) edges.last = fd;
        else if (opened.at(-1) === fd) closeSync(opened.pop() ?? fd);
      });
    } catch (error) {
      for (const fd of opened) closeSync(fd);
      throw Object.assign(error as Error, { path: this.#path(file) });
    }
    journaled = appendLine(journalFd, ['d', piece, ...written]) && journaled;
    return journaled ? 'written' : 'unjournaled';
  }

  /** The stored parts of a piece. */
  spansOf(piece: number): Span[] {
    const spans: Span[] = [];
    const length = this.#geometry.pieceBytes(asPiece(piece));
    this.#layout.forEachSpan(
      this.#geometry.pieceOffset(asPiece(piece)),
      length,
      (file, fileOffset, spanLength, at) => {
        if (!this.#torrent.files[file]?.padding) spans.push({ file, fileOffset, length: spanLength, at });
      },
    );
    return spans;
  }

  /** The file goes on in a neighbouring piece. */
  #reachesOut({ file, length }: Span): boolean {
    return this.#torrent.files[file]?.lengthBytes !== length;
  }

  #path(file: number): string {
    return `${this.#torrent.root}/${this.#torrent.files[file]?.diskPath}`;
  }

  #open(file: number): number {
    const target = this.#torrent.files[file];
    if (target === undefined) throw new RangeError(`no file ${file}`);
    // A file that was there and is gone must not come back empty: that would lose verified pieces in silence.
    const flags = this.#facts.exists(file) ? WRITE_FLAGS : CREATE_FLAGS;
    return openSafelySync(this.#torrent.root, target.diskPath, flags, target.executable ? 0o777 : 0o666);
  }

  #writeSpan(fd: number, span: Span, bytes: Buffer, runs: readonly number[]): void {
    let position = span.fileOffset;
    forEachPart(runs, span.at, span.length, (offset, length) => {
      for (let done = 0; done < length; ) {
        const count = writeSync(fd, bytes, offset + done, length - done, position);
        done += count;
        position += count;
      }
    });
  }

  #note(fd: number, file: number): [string, string, string] {
    const stats = fstatSync(fd, { bigint: true });
    assertLinked(stats, this.#path(file));
    this.#facts.raise(file, stats.size, stats.mtimeNs);
    return [String(file), String(stats.size), String(stats.mtimeNs)];
  }
}

/** False when the line could not be written: the download goes on, and the next start checks more. */
function appendLine(fd: number, record: ResumeRecord): boolean {
  if (fd < 0) return true;
  try {
    const line = encodeResumeLine(record);
    return writeSync(fd, line) === Buffer.byteLength(line);
  } catch {
    return false;
  }
}
