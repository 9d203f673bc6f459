/**
 * Resume verdict: what can be believed of a resume file, given the files as they are now. Pure.
 *
 * A file that is exactly as our last write left it is trusted. One that is not puts the pieces in it, and only
 * those, in doubt: they are to be hashed.
 */
import { Bitfield } from '../policy/bitfield.js';
import type { FileLayout } from '../policy/file-layout.js';
import type { TorrentGeometry } from '../policy/torrent-geometry.js';
import { asPiece, type PieceIndex } from '../units.js';
import type { FileFacts } from './file-facts.js';
import type { Checkpoint, Resume, ResumeRecord } from './resume-lines.js';

/** How far a file's modification time may be past the line that announced the write that a kill cut short. */
const CUT_WRITE_MS = 2_000;
/** The kernel writes dirty pages out after some 35 s: a file at rest for longer survives a power cut. */
const AT_REST_MS = 120_000;

export interface Verdict {
  readonly have: Bitfield;
  /** To be hashed; none of them in `have`. */
  readonly doubtful: Bitfield;
}

export interface Torrent {
  readonly geometry: TorrentGeometry;
  readonly layout: FileLayout;
}

/** Without a resume file: whatever lies in files that are long enough is in doubt. */
export function verdictWithoutResume({ geometry, layout }: Torrent, actual: FileFacts): Verdict {
  const doubtful = Bitfield.full(geometry.pieceCount);
  clearUnbacked(doubtful, geometry, layout, actual);
  return { have: new Bitfield(geometry.pieceCount), doubtful };
}

export function verdictOf(resume: Resume, torrent: Torrent, actual: FileFacts, bootId: string): Verdict {
  const { geometry, layout } = torrent;
  const { checkpoint, records } = resume;
  const have = Bitfield.fromWire(Buffer.from(checkpoint.have, 'base64'), geometry.pieceCount);
  if (have === undefined) return verdictWithoutResume(torrent, actual);

  const expected = expectedFacts(checkpoint, records, layout.files.length, actual);
  const cut = new Map<PieceIndex, number>();
  for (const [kind, index, timeMs] of records) {
    const piece = geometry.piece(index);
    if (piece === undefined) continue;
    if (kind === 'w') cut.set(piece, Number(timeMs));
    else {
      cut.delete(piece);
      have.set(piece);
    }
  }
  const doubtful = new Bitfield(geometry.pieceCount);
  const cutUntilMs = new Map<number, number>();
  for (const [piece, timeMs] of cut) {
    doubtful.set(piece);
    layout.forEachSpan(geometry.pieceOffset(piece), geometry.pieceBytes(piece), (file) => {
      cutUntilMs.set(file, Math.max(cutUntilMs.get(file) ?? 0, timeMs + CUT_WRITE_MS));
    });
  }

  const sameBoot = bootId !== '' && bootId === checkpoint.bootId;
  for (let file = 0; file < layout.files.length; file++) {
    if (layout.files[file]?.padding) continue;
    const mtimeMs = Number(actual.mtimeNs(file) / 1_000_000n);
    const isAsLeft =
      expected.size(file) === actual.size(file) && expected.mtimeNs(file) === actual.mtimeNs(file);
    const isOurCutWrite =
      mtimeMs <= (cutUntilMs.get(file) ?? -1) &&
      actual.size(file) >= expected.size(file) &&
      actual.mtimeNs(file) >= expected.mtimeNs(file);
    const isOnDisk = sameBoot || checkpoint.timeMs - mtimeMs >= AT_REST_MS;
    if ((isAsLeft || isOurCutWrite) && isOnDisk) continue;
    forEachPieceOf(file, geometry, layout, (piece) => doubtful.set(piece));
  }
  for (let i = 0; i < geometry.pieceCount; i++) if (doubtful.get(asPiece(i))) have.clear(asPiece(i));
  clearUnbacked(have, geometry, layout, actual);
  clearUnbacked(doubtful, geometry, layout, actual);
  return { have, doubtful };
}

/** Checkpoint, then what was written since. */
function expectedFacts(
  checkpoint: Checkpoint,
  records: readonly ResumeRecord[],
  count: number,
  like: FileFacts,
): FileFacts {
  const facts = like.blank();
  for (let file = 0; file < count; file++) {
    facts.set(file, BigInt(checkpoint.files[file * 2] ?? -1), BigInt(checkpoint.files[file * 2 + 1] ?? 0));
  }
  for (const [kind, , ...written] of records) {
    if (kind !== 'd') continue;
    for (let i = 0; i + 2 < written.length; i += 3) {
      const file = Number(written[i]);
      if (file < 0 || file >= count) continue;
      facts.raise(file, BigInt(written[i + 1] ?? 0), BigInt(written[i + 2] ?? 0));
    }
  }
  return facts;
}

/** Calls `visit` for each piece with a byte in the file. */
function forEachPieceOf(
  file: number,
  geometry: TorrentGeometry,
  layout: FileLayout,
  visit: (piece: PieceIndex) => void,
): void {
  const length = layout.files[file]?.lengthBytes ?? 0;
  if (length === 0) return;
  const first = Math.floor(layout.offsetOf(file) / geometry.pieceLength);
  const last = Math.floor((layout.offsetOf(file) + length - 1) / geometry.pieceLength);
  for (let piece = first; piece <= last; piece++) visit(asPiece(piece));
}

/** Clears pieces that reach beyond what their files hold: not there, so nothing to believe or to hash. */
function clearUnbacked(
  pieces: Bitfield,
  geometry: TorrentGeometry,
  layout: FileLayout,
  actual: FileFacts,
): void {
  for (let file = 0; file < layout.files.length; file++) {
    const { lengthBytes = 0, padding = false } = layout.files[file] ?? {};
    const size = Math.max(0, Number(actual.size(file)));
    if (padding || size >= lengthBytes) continue;
    const start = layout.offsetOf(file);
    const first = Math.floor((start + size) / geometry.pieceLength);
    const last = Math.floor((start + lengthBytes - 1) / geometry.pieceLength);
    for (let piece = first; piece <= last; piece++) pieces.clear(asPiece(piece));
  }
}
