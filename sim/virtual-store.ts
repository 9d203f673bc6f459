/** Virtual store: the PieceStore port without bytes. A block is good or corrupt; verifying takes a while. */
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { Clock, Frames, PieceStore, PieceStoreHandler } from '../engine/ports.js';
import { asMillis, BLOCK_BYTES, type PieceIndex } from '../engine/units.js';
import type { Checks } from './checks.js';

const STATE = { absent: 0, begun: 1, finishing: 2, corrupt: 3, verified: 4 } as const;
const MISSING = 0;
const GOOD = 1;
const CORRUPT = 2;

/** All blocks that arrive are views of one of the two. */
const goodBytes = new Uint8Array(BLOCK_BYTES);
const corruptBytes = new Uint8Array(BLOCK_BYTES).fill(1);
const viewsOfGood = new Map([[BLOCK_BYTES, goodBytes]]);
const viewsOfCorrupt = new Map([[BLOCK_BYTES, corruptBytes]]);

export function blockView(length: number, isCorrupt: boolean): Uint8Array {
  const views = isCorrupt ? viewsOfCorrupt : viewsOfGood;
  let view = views.get(length);
  if (view === undefined) {
    view = (isCorrupt ? corruptBytes : goodBytes).subarray(0, length);
    views.set(length, view);
  }
  return view;
}

/** Stands for the bytes of a run of blocks; a connection reads which blocks they are. */
export class RunBytes extends Uint8Array {
  piece = 0 as PieceIndex;
  begin = 0;
  blockBytes = 0;
  blocks = 0;
}

export class VirtualStore implements PieceStore {
  handler!: PieceStoreHandler;
  readonly #geometry: TorrentGeometry;
  readonly #clock: Clock;
  readonly #checks: Checks;
  readonly #verifyMs: number;
  readonly #slots: number;
  readonly #state: Uint8Array;
  /** By block of the torrent: MISSING, GOOD or CORRUPT. */
  readonly #blocks: Uint8Array;
  readonly #blocksPerPiece: number;
  readonly #spareRuns: RunFrames[] = [];
  /** Pieces that were corrupt once: of them blocks may be fetched anew, all from one peer. */
  readonly #suspects = new Set<PieceIndex>();
  #used = 0;
  #wasFull = false;

  /** @param slots pieces that may be under way at once */
  constructor(
    geometry: TorrentGeometry,
    clock: Clock,
    checks: Checks,
    slots: number,
    verifyMs: number,
    complete: boolean,
  ) {
    this.#geometry = geometry;
    this.#clock = clock;
    this.#checks = checks;
    this.#slots = slots;
    this.#verifyMs = verifyMs;
    this.#blocksPerPiece = Math.ceil(geometry.pieceLength / BLOCK_BYTES);
    this.#state = new Uint8Array(geometry.pieceCount).fill(complete ? STATE.verified : STATE.absent);
    this.#blocks = new Uint8Array(geometry.pieceCount * this.#blocksPerPiece).fill(complete ? GOOD : MISSING);
  }

  beginPiece(piece: PieceIndex): boolean {
    this.#expect(piece, STATE.absent, 'begun');
    if (this.#used === this.#slots) {
      this.#wasFull = true;
      return false;
    }
    this.#used++;
    this.#state[piece] = STATE.begun;
    return true;
  }

  putBlock(piece: PieceIndex, begin: number, block: Uint8Array): void {
    this.#expect(piece, STATE.begun, 'given a block');
    this.#blocks[this.#at(piece, begin)] = block[0] === 0 ? GOOD : CORRUPT;
  }

  finishPiece(piece: PieceIndex): void {
    this.#expect(piece, STATE.begun, 'finished');
    this.#state[piece] = STATE.finishing;
    this.#clock.schedule(asMillis(this.#clock.now() + this.#verifyMs), () => this.#verify(piece));
  }

  abandonPiece(piece: PieceIndex): void {
    const first = this.#at(piece, 0);
    this.#blocks.fill(MISSING, first, first + this.#blocksPerPiece);
    this.#state[piece] = STATE.absent;
    this.#freeSlot();
  }

  blockDigest(piece: PieceIndex, begin: number): string {
    return this.#blocks[this.#at(piece, begin)] === CORRUPT ? 'corrupt' : 'good';
  }

  frames(piece: PieceIndex, begin: number, blockBytes: number, blocks: number): Frames {
    if (!this.#checks.holds(this.#state[piece] === STATE.verified))
      this.#checks.fail('unverified bytes are served', `piece ${piece}`);
    const frames = this.#spareRuns.pop() ?? new RunFrames((spare) => this.#spareRuns.push(spare));
    const run = frames.bytes;
    run.piece = piece;
    run.begin = begin;
    run.blockBytes = blockBytes;
    run.blocks = blocks;
    return frames;
  }

  /** Whether nobody needs to be asked for the block: it is here, and not to be compared with another's. */
  holds(piece: PieceIndex, begin: number): boolean {
    const isDoubted = this.#suspects.has(piece) && this.#state[piece] === STATE.begun;
    return this.#blocks[this.#at(piece, begin)] !== MISSING && !isDoubted;
  }

  #verify(piece: PieceIndex): void {
    const first = this.#at(piece, 0);
    const blocks = this.#blocks.subarray(first, first + this.#geometry.blockCount(piece));
    if (blocks.includes(CORRUPT)) {
      this.#state[piece] = STATE.corrupt;
      this.#suspects.add(piece);
      this.handler.onPieceCorrupt(piece);
    } else {
      this.#state[piece] = STATE.verified;
      this.handler.onPieceVerified(piece);
      this.#freeSlot();
    }
  }

  #freeSlot(): void {
    this.#used--;
    if (!this.#wasFull) return;
    this.#wasFull = false;
    // Never during a call into the store.
    this.#clock.schedule(this.#clock.now(), () => this.handler.onSlotFree());
  }

  #at(piece: PieceIndex, begin: number): number {
    return piece * this.#blocksPerPiece + Math.floor(begin / BLOCK_BYTES);
  }

  #expect(piece: PieceIndex, state: number, done: string): void {
    if (!this.#checks.holds(this.#state[piece] === state))
      this.#checks.fail(`a piece is ${done} at the wrong time`, `piece ${piece}`);
  }
}

class RunFrames implements Frames {
  readonly bytes = new RunBytes(0);
  readonly #giveBack: (frames: RunFrames) => void;

  constructor(giveBack: (frames: RunFrames) => void) {
    this.#giveBack = giveBack;
  }

  get blocks(): number {
    return this.bytes.blocks;
  }

  release(): void {
    this.#giveBack(this);
  }
}
