/** File layout: which bytes of which files a range of the torrent covers. */

/** A file of the torrent, in torrent order. */
export interface LayoutFile {
  readonly lengthBytes: number;
  /** Not stored: its bytes are zeros that exist only to align the next file (BEP 47 `attr` "p"). */
  readonly padding: boolean;
}

export class FileLayout {
  /** Offset of each file's first byte in the torrent, and the total at the end. */
  readonly #offsets: Float64Array;

  constructor(readonly files: readonly LayoutFile[]) {
    this.#offsets = new Float64Array(files.length + 1);
    for (let i = 0; i < files.length; i++) this.#offsets[i + 1] = this.#offsets[i]! + files[i]!.lengthBytes;
  }

  get totalBytes(): number {
    return this.#offsets[this.files.length]!;
  }

  offsetOf(file: number): number {
    return this.#offsets[file]!;
  }

  /** Calls `visit` for each non-empty part of [offset, offset + length), in order; `at` counts from `offset`. */
  forEachSpan(
    offset: number,
    length: number,
    visit: (file: number, fileOffset: number, length: number, at: number) => void,
  ): void {
    const end = Math.min(offset + length, this.totalBytes);
    let at = offset;
    for (let file = this.#fileAt(offset); at < end; file++) {
      const upTo = Math.min(this.#offsets[file + 1]!, end);
      if (upTo > at) visit(file, at - this.#offsets[file]!, upTo - at, at - offset);
      at = Math.max(at, upTo);
    }
  }

  /** Last file that starts at or before `offset`. */
  #fileAt(offset: number): number {
    let low = 0;
    let high = this.files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#offsets[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
