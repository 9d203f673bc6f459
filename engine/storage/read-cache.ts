/**
 * Read cache: the engine's bounded memory for uploads. It holds extents of verified pieces as ready-made wire
 * frames, pinned while sockets write them, least recently used given up first.
 *
 * Invariant: an extent is queued, being read, ready, or gone; only a ready one without pins gives up its memory.
 */
import type { Frames } from '../ports.js';
import { framesBytes } from './piece-frames.js';

/** Reads under way at once: enough to keep a disk busy, and the thread pool of the process (4) from idling. */
const MAX_READS = 8;
/** Extents waiting to be read; beyond it their owner remembers the piece only. */
const MAX_QUEUED = 1024;
/** What an extent takes beside its bytes, about: a piece may have a single byte, and a million of those takes 1 GiB. */
const ENTRY_BYTES = 1024;

/** A stretch of a piece that is asked for as one. */
export interface ExtentRange {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

/** One torrent's side: it reads, and hears when. */
export interface ExtentReader {
  /** Fills `frames` completely. */
  readExtent(range: ExtentRange, frames: Buffer): Promise<void>;
  onExtentReady(range: ExtentRange): void;
  onExtentFailed(error: unknown): void;
  /** The queue was full and has room again. */
  onQueueRoom(): void;
}

interface Extent {
  readonly reader: ExtentReader;
  readonly key: number;
  readonly range: ExtentRange;
  /** Undefined while queued. */
  frames: Buffer | undefined;
  isReady: boolean;
  isGone: boolean;
  pins: number;
}

export class ReadCache {
  readonly #budgetBytes: number;
  /** Ready and being read, in order of use. */
  readonly #extents = new Map<number, Extent>();
  readonly #queue = new Map<number, Extent>();
  readonly #refused = new Set<ExtentReader>();
  /** Free buffers by size. */
  readonly #pool = new Map<number, Buffer[]>();
  #allocatedBytes = 0;
  #pinnedBytes = 0;
  #reads = 0;
  #lastKey = 0;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  /** @returns the first of `count` keys of a torrent */
  reserveKeys(count: number): number {
    const first = this.#lastKey;
    this.#lastKey += count;
    return first;
  }

  /**
   * [from, to) of the frames stored under `key`, which are `blocks` blocks; undefined: not in memory. Pinned, or a
   * copy once half of the budget is pinned: peers that do not read must not keep the cache from the others.
   */
  get(key: number, from: number, to: number, blocks: number): Frames | undefined {
    const extent = this.#used(key);
    if (extent?.frames === undefined) return undefined;
    const bytes = extent.frames.subarray(from, to);
    if (extent.pins === 0) {
      if (this.#pinnedBytes + extent.frames.length > this.#budgetBytes / 2) {
        return { bytes: Buffer.from(bytes), blocks, release: () => {} };
      }
      this.#pinnedBytes += extent.frames.length;
    }
    extent.pins++;
    return new PinnedFrames(bytes, blocks, this, extent);
  }

  /** All frames under `key`, to be copied from at once; undefined: not in memory. */
  peek(key: number): Buffer | undefined {
    return this.#used(key)?.frames;
  }

  /** Reads `range`; `onExtentReady` follows. False: even the queue is full, and `onQueueRoom` follows. */
  request(reader: ExtentReader, key: number, range: ExtentRange): boolean {
    if (this.#extents.has(key) || this.#queue.has(key)) return true;
    if (this.#queue.size >= MAX_QUEUED) {
      this.#refused.add(reader);
      return false;
    }
    this.#queue.set(key, { reader, key, range, frames: undefined, isReady: false, isGone: false, pins: 0 });
    this.#pump();
    return true;
  }

  /** For PinnedFrames only. */
  unpin(extent: Extent): void {
    if (--extent.pins > 0) return;
    this.#pinnedBytes -= extent.frames?.length ?? 0;
    if (extent.isGone) this.#recycle(extent);
    this.#pump();
  }

  /** The reader's extents are given up; pinned ones stay until released. */
  drop(reader: ExtentReader): void {
    this.#refused.delete(reader);
    for (const [key, extent] of this.#queue) if (extent.reader === reader) this.#queue.delete(key);
    for (const extent of this.#extents.values()) if (extent.reader === reader) this.#giveUp(extent);
    this.#pump();
  }

  /** The extent, if it is ready: the last to be given up now. */
  #used(key: number): Extent | undefined {
    const extent = this.#extents.get(key);
    if (!extent?.isReady) return undefined;
    this.#extents.delete(key);
    this.#extents.set(key, extent);
    return extent;
  }

  #pump(): void {
    for (const [key, extent] of this.#queue) {
      if (this.#reads >= MAX_READS) break;
      const frames = this.#buffer(framesBytes(extent.range.length));
      if (frames === undefined) break;
      this.#queue.delete(key);
      extent.frames = frames;
      this.#extents.set(key, extent);
      void this.#read(extent, frames);
    }
    // Half empty: who was refused asks again for everything, which must be worth it.
    if (this.#queue.size > MAX_QUEUED / 2 || this.#refused.size === 0) return;
    const readers = [...this.#refused];
    this.#refused.clear();
    queueMicrotask(() => {
      for (const reader of readers) reader.onQueueRoom();
    });
  }

  /** Never rejects. */
  async #read(extent: Extent, frames: Buffer): Promise<void> {
    this.#reads++;
    let failure: unknown;
    try {
      await extent.reader.readExtent(extent.range, frames);
    } catch (error) {
      failure = error;
    }
    this.#reads--;
    if (extent.isGone) {
      this.#recycle(extent);
    } else if (failure !== undefined) {
      this.#giveUp(extent);
      this.#recycle(extent);
      extent.reader.onExtentFailed(failure);
    } else {
      extent.isReady = true;
      extent.reader.onExtentReady(extent.range);
    }
    this.#pump();
  }

  /** Out of the map; its memory follows when nobody uses it. */
  #giveUp(extent: Extent): void {
    this.#extents.delete(extent.key);
    extent.isGone = true;
    if (extent.isReady && extent.pins === 0) this.#recycle(extent);
  }

  #recycle(extent: Extent): void {
    const frames = extent.frames;
    extent.frames = undefined;
    if (frames === undefined) return;
    const free = this.#pool.get(frames.length);
    if (free === undefined) this.#pool.set(frames.length, [frames]);
    else free.push(frames);
  }

  /** A free buffer, within the budget; the first one always. */
  #buffer(bytes: number): Buffer | undefined {
    for (;;) {
      const pooled = this.#pool.get(bytes)?.pop();
      if (pooled !== undefined) return pooled;
      const cost = bytes + ENTRY_BYTES;
      if (this.#allocatedBytes === 0 || this.#allocatedBytes + cost <= this.#budgetBytes) {
        this.#allocatedBytes += cost;
        return Buffer.allocUnsafeSlow(bytes);
      }
      if (!this.#freePooled() && !this.#evict()) return undefined;
    }
  }

  /** Lets one pooled buffer of another size go. */
  #freePooled(): boolean {
    for (const [size, free] of this.#pool) {
      if (free.pop() === undefined) this.#pool.delete(size);
      else {
        this.#allocatedBytes -= size + ENTRY_BYTES;
        return true;
      }
    }
    return false;
  }

  #evict(): boolean {
    for (const extent of this.#extents.values()) {
      if (!extent.isReady || extent.pins > 0) continue;
      this.#giveUp(extent);
      return true;
    }
    return false;
  }
}

class PinnedFrames implements Frames {
  #cache: ReadCache | undefined;

  constructor(
    readonly bytes: Uint8Array,
    readonly blocks: number,
    cache: ReadCache,
    readonly extent: Extent,
  ) {
    this.#cache = cache;
  }

  release(): void {
    const cache = this.#cache;
    this.#cache = undefined;
    cache?.unpin(this.extent);
  }
}
