/**
 * File facts: size and modification time of each file of a torrent as our own last write left it, shared by the
 * threads that write. What differs from it on disk was changed by somebody else.
 */
export class FileFacts {
  /** Two numbers a file: size in bytes (-1: does not exist) and modification time in ns since 1970. */
  readonly #table: BigInt64Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.#table = new BigInt64Array(memory);
  }

  static ofFiles(count: number): FileFacts {
    const facts = new FileFacts(new SharedArrayBuffer(count * 16));
    for (let file = 0; file < count; file++) facts.set(file, -1n, 0n);
    return facts;
  }

  /** Facts of as many files, none of which exists. */
  blank(): FileFacts {
    return FileFacts.ofFiles(this.#table.length / 2);
  }

  /** Size and modification time of each file in turn. */
  toStrings(): string[] {
    return Array.from(this.#table, String);
  }

  exists(file: number): boolean {
    return this.size(file) >= 0n;
  }

  size(file: number): bigint {
    return Atomics.load(this.#table, file * 2);
  }

  mtimeNs(file: number): bigint {
    return Atomics.load(this.#table, file * 2 + 1);
  }

  set(file: number, size: bigint, mtimeNs: bigint): void {
    Atomics.store(this.#table, file * 2, size);
    Atomics.store(this.#table, file * 2 + 1, mtimeNs);
  }

  /** Threads report in any order: the latest counts. */
  raise(file: number, size: bigint, mtimeNs: bigint): void {
    raiseTo(this.#table, file * 2, size);
    raiseTo(this.#table, file * 2 + 1, mtimeNs);
  }
}

function raiseTo(table: BigInt64Array, index: number, value: bigint): void {
  let seen = Atomics.load(table, index);
  while (seen < value) {
    const before = Atomics.compareExchange(table, index, seen, value);
    if (before === seen) return;
    seen = before;
  }
}
