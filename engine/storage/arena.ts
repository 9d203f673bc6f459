/**
 * Arena: the engine's memory for pieces under way, one SharedArrayBuffer cut into pages. Its size is the bound
 * on memory and the back-pressure; torrents with different piece lengths share it by the bytes they hold.
 *
 * Invariant: a page belongs to at most one slot; a slot's runs are disjoint and add up to at least its piece.
 */
import { createHash } from 'node:crypto';

/** Pages rather than slots of one size: any piece length fits without fragmentation. */
const PAGE_BYTES = 65_536;
/** What every torrent may hold however full the arena is: a piece being hashed and a piece being fetched. */
const GUARANTEED_SLOTS = 2;

/** Memory of one piece: `runs` holds offset and length pairs, in order. */
export interface ArenaSlot {
  /** Undefined: the arena's own memory. */
  readonly memory: SharedArrayBuffer | undefined;
  readonly bytes: Buffer;
  readonly runs: readonly number[];
}

/** One torrent's share. */
export class ArenaShare {
  #slots = 0;
  #heldPages = 0;
  #spare: ArenaSlot[] = [];
  #isOpen = true;

  constructor(
    readonly arena: Arena,
    readonly slotBytes: number,
    /** Called later, never during `take` or `give`, after `take` had said no. */
    readonly onSlotFree: () => void,
  ) {}

  get heldPages(): number {
    return this.#heldPages;
  }

  /** Below the guarantee `take` never says no. */
  get isGuaranteed(): boolean {
    return this.#slots < GUARANTEED_SLOTS;
  }

  /** Memory for one piece; undefined when the arena is full, `onSlotFree` follows. */
  take(): ArenaSlot | undefined {
    if (!this.#isOpen) return undefined;
    const runs = this.arena.takePages(this);
    let slot: ArenaSlot | undefined;
    if (runs !== undefined) {
      this.#heldPages += pagesOf(this.slotBytes);
      slot = { memory: undefined, bytes: this.arena.bytes, runs };
    } else if (this.isGuaranteed) {
      slot = this.#spare.pop() ?? this.#ownSlot();
      this.arena.countOwn(this.slotBytes);
    } else {
      this.arena.wait(this);
      return undefined;
    }
    this.#slots++;
    return slot;
  }

  give(slot: ArenaSlot): void {
    this.#slots--;
    if (slot.memory === undefined) {
      this.#heldPages -= pagesOf(this.slotBytes);
      this.arena.givePages(slot.runs);
    } else {
      if (this.#isOpen) this.#spare.push(slot);
      this.arena.countOwn(-this.slotBytes);
    }
    this.arena.wake();
  }

  /** No more slots; those that are out may still be given back. */
  close(): void {
    this.#isOpen = false;
    this.#spare = [];
    this.arena.forget(this);
  }

  #ownSlot(): ArenaSlot {
    const memory = new SharedArrayBuffer(this.slotBytes);
    return { memory, bytes: Buffer.from(memory), runs: [0, this.slotBytes] };
  }
}

export class Arena {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
  /** 1: taken. */
  readonly #pages: Uint8Array;
  #freePages: number;
  #ownBytes = 0;
  readonly #waiting = new Set<ArenaShare>();
  #isWaking = false;

  constructor(totalBytes: number) {
    this.#pages = new Uint8Array(Math.max(1, Math.floor(totalBytes / PAGE_BYTES)));
    this.#freePages = this.#pages.length;
    this.memory = new SharedArrayBuffer(this.#pages.length * PAGE_BYTES);
    this.bytes = Buffer.from(this.memory);
  }

  get totalBytes(): number {
    return this.memory.byteLength;
  }

  /** May exceed `totalBytes` by the slots guaranteed to torrents while the arena is full. */
  get usedBytes(): number {
    return (this.#pages.length - this.#freePages) * PAGE_BYTES + this.#ownBytes;
  }

  open(slotBytes: number, onSlotFree: () => void): ArenaShare {
    return new ArenaShare(this, slotBytes, onSlotFree);
  }

  /** Runs of free pages, one run where possible: fewer calls to hash and to write. */
  takePages(share: ArenaShare): number[] | undefined {
    const need = pagesOf(share.slotBytes);
    if (need > this.#freePages || this.#isPoorerWaiting(share)) return undefined;
    this.#freePages -= need;
    const start = this.#findRun(need);
    if (start >= 0) {
      this.#pages.fill(1, start, start + need);
      return [start * PAGE_BYTES, need * PAGE_BYTES];
    }
    const runs: number[] = [];
    for (let page = 0, left = need; left > 0; page++) {
      if (this.#pages[page] === 1) continue;
      this.#pages[page] = 1;
      left--;
      const at = page * PAGE_BYTES;
      const last = runs.length - 2;
      if (last >= 0 && runs[last]! + runs[last + 1]! === at) runs[last + 1]! += PAGE_BYTES;
      else runs.push(at, PAGE_BYTES);
    }
    return runs;
  }

  givePages(runs: readonly number[]): void {
    for (let i = 0; i < runs.length; i += 2) {
      const pages = runs[i + 1]! / PAGE_BYTES;
      this.#pages.fill(0, runs[i]! / PAGE_BYTES, runs[i]! / PAGE_BYTES + pages);
      this.#freePages += pages;
    }
  }

  countOwn(bytes: number): void {
    this.#ownBytes += bytes;
  }

  wait(share: ArenaShare): void {
    this.#waiting.add(share);
  }

  forget(share: ArenaShare): void {
    this.#waiting.delete(share);
    this.wake();
  }

  /** Tells those who wait, in a microtask: never during a call into the store. */
  wake(): void {
    if (this.#waiting.size === 0 || this.#isWaking) return;
    this.#isWaking = true;
    queueMicrotask(() => {
      this.#isWaking = false;
      for (const share of [...this.#waiting].sort((a, b) => a.heldPages - b.heldPages)) {
        if (!share.isGuaranteed && pagesOf(share.slotBytes) > this.#freePages) continue;
        // Asking again inside the call is what puts it back in the queue.
        if (this.#waiting.delete(share)) share.onSlotFree();
      }
    });
  }

  /** Whoever holds less and waits goes first, so that a fast torrent cannot starve the others. */
  #isPoorerWaiting(share: ArenaShare): boolean {
    for (const other of this.#waiting) {
      if (other !== share && other.heldPages < share.heldPages && other.slotBytes <= this.totalBytes)
        return true;
    }
    return false;
  }

  #findRun(need: number): number {
    let length = 0;
    for (let page = 0; page < this.#pages.length; page++) {
      length = this.#pages[page] === 0 ? length + 1 : 0;
      if (length === need) return page - need + 1;
    }
    return -1;
  }
}

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES);

/** Copies `block` to `begin` of the slot's piece, which has room for it. Allocates nothing in the common case. */
export function copyIntoSlot({ bytes, runs }: ArenaSlot, begin: number, block: Uint8Array): void {
  let at = begin;
  let done = 0;
  for (let i = 0; done < block.length && i < runs.length; i += 2) {
    const runBytes = runs[i + 1]!;
    if (at < runBytes) {
      const part = Math.min(runBytes - at, block.length - done);
      // `fill` is a plain memcpy. `set` copies to shared memory byte by byte unless both sides are aligned alike,
      // which blocks behind 13-byte headers are not: 0.29 s a GiB instead of 0.03.
      const start = runs[i]! + at;
      bytes.fill(part === block.length ? block : block.subarray(done, done + part), start, start + part);
      done += part;
      at = runBytes;
    }
    at -= runBytes;
  }
}

/** SHA-1 of [begin, begin + length) of the slot's piece. */
export function hashSlot(bytes: Buffer, runs: readonly number[], begin: number, length: number): Buffer {
  const hash = createHash('sha1');
  forEachPart(runs, begin, length, (offset, partLength) => {
    hash.update(bytes.subarray(offset, offset + partLength));
  });
  return hash.digest();
}

/** Calls `visit` for each contiguous part of [begin, begin + length) of a slot's piece, in order. */
export function forEachPart(
  runs: readonly number[],
  begin: number,
  length: number,
  visit: (offset: number, length: number) => void,
): void {
  let skip = begin;
  let left = length;
  for (let i = 0; i < runs.length && left > 0; i += 2) {
    const runBytes = runs[i + 1]!;
    if (skip >= runBytes) {
      skip -= runBytes;
      continue;
    }
    const part = Math.min(runBytes - skip, left);
    visit(runs[i]! + skip, part);
    left -= part;
    skip = 0;
  }
}
