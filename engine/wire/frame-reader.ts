/**
 * Frame reader: cuts the byte stream of an established connection into frames and checks every length and
 * index in them, once, whoever handles the frame. What moves data (request, piece, cancel, reject) goes to the
 * handler as integers and a view into the chunk; everything else goes on as a whole frame.
 *
 * Invariant: a frame inside one chunk is never copied; one that straddles chunks is carried in a buffer that
 * never exceeds the bytes that arrived by more than a factor of two, nor the largest allowed frame.
 */

import type { TorrentGeometry } from '../policy/torrent-geometry.js';
import type { PeerHandler } from '../ports.js';
import { asPiece } from '../units.js';
import { MAX_BLOCK_BYTES, MAX_MESSAGE_BYTES, MESSAGE } from './messages.js';

/** Where checked frames go. */
export interface FrameTarget {
  readonly handler: PeerHandler;
  /** Both ends speak BEP 6. */
  readonly fast: boolean;
  /** A whole frame, length prefix included; valid during the call only. */
  onControlFrame(frame: Uint8Array): void;
}

/** First size of the carry buffer: one frame of a 16 KiB block. */
const CARRY_BYTES = 16 * 1024 + 13;
/** A carry buffer beyond this is given back after its frame. */
const KEPT_CARRY_BYTES = 32 * 1024;
/** Messages that we do not know. We announce nothing that would bring any, so a few are odd and many are a flood. */
const MAX_UNKNOWN_MESSAGES = 1_024;
/** A choke and an unchoke cost us work far beyond their 5 bytes; no client makes 4 a second for long. */
const CHOKE_BURST = 256;
const CHOKES_PER_BEAT = 4;
/** Interest costs little, and an honest peer that has nearly all that we have changes it with every piece. */
const INTEREST_BURST = 8_192;
const INTERESTS_PER_BEAT = 512;
/**
 * Keep-alives, suggestions, allowed pieces, ports, extended and unknown messages: a real peer sends a few a minute.
 * The burst covers the torrent file of a magnet (BEP 9), its largest use.
 */
const TALK_BURST = 4_096;
const TALK_PER_BEAT = 64;
/** Of the largest torrent that we take (2,097,152 pieces), with the id. */
const MAX_BITFIELD_BYTES = 1 + 2 ** 18;
/** Before the metadata is known, which takes seconds: a bitfield and what it finished since. */
const MAX_HELD_BYTES = MAX_BITFIELD_BYTES + 64 * 1024;
const MAX_HELD_FRAMES = 4_096;
/** Haves beyond one a piece. */
const SPARE_HAVES = 1_024;
/**
 * aria2 may send a bitfield in place of 20 haves, and of any that are longer than it: with up to 100 pieces, of a
 * single one. A bitfield costs us work for each piece, so that huge torrents get fewer.
 */
const HAVES_PER_BITFIELD = 16;
const HAVE_BYTES = 9;
const SPARE_BITFIELDS = 16;
const MAX_BITFIELD_WORK = 2 ** 28;
/** Cancels beyond one a request. */
const SPARE_CANCELS = 64;

export class FrameReader {
  readonly #target: FrameTarget;
  /** Undefined: not known yet. */
  #geometry: TorrentGeometry | undefined;
  #pieceCount = 0;
  #bitfieldLength = MAX_BITFIELD_BYTES;
  #maxLength = MAX_BITFIELD_BYTES;
  /** Frames about the peer's pieces that came before we know how many there are. */
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;
  #carry: Uint8Array | undefined;
  #carried = 0;
  #stopped = false;
  #piecesKnown = false;
  #haveAll = false;
  #unknownMessages = 0;
  #chokesLeft = CHOKE_BURST;
  #interestsLeft = INTEREST_BURST;
  #talkLeft = TALK_BURST;
  #havesLeft = 0;
  #bitfieldsLeft = 0;
  #cancelsLeft = SPARE_CANCELS;

  constructor(target: FrameTarget, geometry: TorrentGeometry | undefined) {
    this.#target = target;
    if (geometry !== undefined) this.#allow(geometry);
  }

  /** The torrent's pieces are known now. Frames that were held are handled. @returns how the peer broke the protocol */
  learn(geometry: TorrentGeometry): string | undefined {
    this.#allow(geometry);
    for (const frame of this.#held.splice(0)) {
      if (this.#stopped) return undefined;
      const length = frame.length - 4;
      const fault = this.#lengthFault(frame[4]!, length) ?? this.#frame(frame, 0, length);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #allow(geometry: TorrentGeometry): void {
    const { pieceCount } = geometry;
    this.#geometry = geometry;
    this.#pieceCount = pieceCount;
    this.#bitfieldLength = 1 + Math.ceil(pieceCount / 8);
    this.#havesLeft = pieceCount + SPARE_HAVES;
    const shorterThan = Math.max(1, Math.floor((4 + this.#bitfieldLength) / HAVE_BYTES));
    const haves = Math.min(HAVES_PER_BITFIELD, shorterThan);
    const bitfields = Math.min(pieceCount / haves, MAX_BITFIELD_WORK / pieceCount);
    this.#bitfieldsLeft = SPARE_BITFIELDS + Math.floor(pieceCount === 0 ? 0 : bitfields);
    this.#maxLength = Math.max(MAX_MESSAGE_BYTES, this.#bitfieldLength);
  }

  /** Handles no further frame, even of the chunk being read. */
  stop(): void {
    this.#stopped = true;
    this.#carry = undefined;
    this.#carried = 0;
  }

  /** Call about once a second: gives back part of the allowances for chokes and interest. */
  onBeat(): void {
    this.#chokesLeft = Math.min(CHOKE_BURST, this.#chokesLeft + CHOKES_PER_BEAT);
    this.#interestsLeft = Math.min(INTEREST_BURST, this.#interestsLeft + INTERESTS_PER_BEAT);
    this.#talkLeft = Math.min(TALK_BURST, this.#talkLeft + TALK_PER_BEAT);
  }

  /**
   * Handles every frame that is complete with `chunk`, which may be reused after the call.
   * @returns how the peer broke the protocol; nothing may be read after that
   */
  read(chunk: Uint8Array): string | undefined {
    let at = 0;
    while (this.#carried > 0 && at < chunk.length) {
      const taken = this.#fillCarry(chunk, at);
      if (typeof taken === 'string') return taken;
      if (this.#stopped) return undefined;
      at += taken;
    }
    const end = chunk.length;
    while (end - at >= 5) {
      const length = u32(chunk, at);
      if (length === 0) {
        if (--this.#talkLeft < 0) return FLOOD;
        at += 4;
        continue;
      }
      const next = at + 4 + length;
      if (next > end) break;
      const fault = this.#lengthFault(chunk[at + 4]!, length) ?? this.#frame(chunk, at, length);
      if (fault !== undefined) return fault;
      if (this.#stopped) return undefined;
      at = next;
    }
    // Fewer than 5 bytes, or a frame that continues in the next chunk.
    while (at < end) {
      const taken = this.#fillCarry(chunk, at);
      if (typeof taken === 'string') return taken;
      at += taken;
    }
    return undefined;
  }

  /** Moves bytes of `chunk` from `at` on to the carried frame, and handles it when whole. @returns how many, or the fault */
  #fillCarry(chunk: Uint8Array, at: number): number | string {
    const need = this.#carriedFrameBytes();
    const taken = Math.min(need - this.#carried, chunk.length - at);
    const carry = this.#carryFor(this.#carried + taken, need);
    carry.set(chunk.subarray(at, at + taken), this.#carried);
    this.#carried += taken;
    if (this.#carried < need) return taken;
    const length = u32(carry, 0);
    if (need === 4) {
      if (length > this.#maxLength) return tooLong(length);
      if (length > 0) return taken;
      this.#carried = 0; // keep-alive
      return --this.#talkLeft < 0 ? FLOOD : taken;
    }
    if (need === 5) {
      const fault = this.#lengthFault(carry[4]!, length);
      if (fault !== undefined) return fault;
      if (length > 1) return taken;
    }
    this.#carried = 0;
    const fault = this.#frame(carry, 0, length);
    if (carry.length > KEPT_CARRY_BYTES) this.#carry = undefined;
    return fault ?? taken;
  }

  /** How many bytes the carried frame has, as far as can be told: 4 tell the length, 5 the id too. */
  #carriedFrameBytes(): number {
    if (this.#carried < 4) return 4;
    return this.#carried === 4 ? 5 : 4 + u32(this.#carry ?? EMPTY, 0);
  }

  #carryFor(bytes: number, need: number): Uint8Array {
    const carry = this.#carry;
    if (carry !== undefined && carry.length >= bytes) return carry;
    const larger = new Uint8Array(Math.max(CARRY_BYTES, Math.min(need, bytes * 2)));
    if (carry !== undefined) larger.set(carry.subarray(0, this.#carried));
    this.#carry = larger;
    return larger;
  }

  /** `length` counts the id and what follows it. */
  #lengthFault(id: number, length: number): string | undefined {
    if (id === MESSAGE.bitfield && this.#geometry === undefined)
      return length > MAX_BITFIELD_BYTES ? tooLong(length) : undefined;
    const exact = id === MESSAGE.bitfield ? this.#bitfieldLength : EXACT_LENGTH[id];
    if (exact !== undefined && exact > 0)
      return length === exact ? undefined : `message ${id} has ${length} bytes instead of ${exact}`;
    if (length > MAX_MESSAGE_BYTES) return tooLong(length);
    if (id === MESSAGE.piece && length < 10) return `a block of ${length - 9} bytes`;
    return id === MESSAGE.extended && length < 2 ? 'an extended message without an id' : undefined;
  }

  /** The frame at `at` is whole and its length is right for its id. */
  #frame(bytes: Uint8Array, at: number, length: number): string | undefined {
    const id = bytes[at + 4]!;
    const body = at + 5;
    if (this.#geometry === undefined && TELLS_PIECES.has(id)) return this.#hold(bytes, at, length);
    switch (id) {
      case MESSAGE.piece: {
        const piece = u32(bytes, body);
        const begin = u32(bytes, body + 4);
        const fault = this.#blockFault(piece, begin, length - 9);
        if (fault !== undefined) return fault;
        this.#target.handler.onBlock(asPiece(piece), begin, bytes.subarray(body + 8, at + 4 + length));
        return undefined;
      }
      case MESSAGE.request:
      case MESSAGE.cancel:
      case MESSAGE.reject: {
        const piece = u32(bytes, body);
        const begin = u32(bytes, body + 4);
        const blockLength = u32(bytes, body + 8);
        const fault = this.#blockFault(piece, begin, blockLength);
        if (fault !== undefined) return fault;
        if (id === MESSAGE.request) {
          this.#cancelsLeft++;
          this.#target.handler.onRequest(asPiece(piece), begin, blockLength);
        } else if (id === MESSAGE.cancel) {
          if (--this.#cancelsLeft < 0) return 'more cancels than requests';
          this.#target.handler.onCancel(asPiece(piece), begin, blockLength);
        } else if (this.#target.fast) this.#target.handler.onReject(asPiece(piece), begin, blockLength);
        else return 'a reject, without the fast extension';
        return undefined;
      }
      case MESSAGE.choke:
      case MESSAGE.unchoke:
        if (--this.#chokesLeft < 0) return 'a storm of chokes';
        break;
      case MESSAGE.interested:
      case MESSAGE.notInterested:
        if (--this.#interestsLeft < 0) return 'a storm of interest';
        break;
      case MESSAGE.have:
      case MESSAGE.suggest:
      case MESSAGE.allowedFast: {
        const piece = u32(bytes, body);
        if (piece >= this.#pieceCount) return `piece ${piece} of ${this.#pieceCount}`;
        if (id !== MESSAGE.have) {
          if (--this.#talkLeft < 0) return FLOOD;
          break;
        }
        if (--this.#havesLeft < 0) return 'more haves than pieces';
        this.#piecesKnown = true;
        break;
      }
      case MESSAGE.bitfield:
      case MESSAGE.haveAll:
      case MESSAGE.haveNone:
        // aria2 sends a bitfield or have-all in place of 20 haves; what takes back, or tells nothing, is a fault.
        if (this.#haveAll || (this.#piecesKnown && id === MESSAGE.haveNone))
          return `message ${id} after a bitfield or have`;
        if (--this.#bitfieldsLeft < 0) return 'a flood of bitfields';
        this.#piecesKnown = true;
        this.#haveAll = id === MESSAGE.haveAll;
        break;
      case MESSAGE.port:
      case MESSAGE.extended:
        if (--this.#talkLeft < 0) return FLOOD;
        break;
      default:
        return ++this.#unknownMessages > MAX_UNKNOWN_MESSAGES ? 'a flood of unknown messages' : undefined;
    }
    this.#target.onControlFrame(bytes.subarray(at, at + 4 + length));
    return undefined;
  }

  #hold(bytes: Uint8Array, at: number, length: number): string | undefined {
    this.#heldBytes += 4 + length;
    if (this.#heldBytes > MAX_HELD_BYTES || this.#held.length >= MAX_HELD_FRAMES)
      return 'too much about pieces before the metadata is known';
    this.#held.push(bytes.slice(at, at + 4 + length));
    return undefined;
  }

  #blockFault(piece: number, begin: number, length: number): string | undefined {
    if (piece >= this.#pieceCount) return `piece ${piece} of ${this.#pieceCount}`;
    if (length === 0 || length > MAX_BLOCK_BYTES) return `a block of ${length} bytes`;
    const pieceBytes = this.#geometry?.pieceBytes(asPiece(piece)) ?? 2 ** 31;
    return begin + length > pieceBytes ? `bytes ${begin} to ${begin + length} of piece ${piece}` : undefined;
  }
}

const TELLS_PIECES = new Set<number>([
  MESSAGE.have,
  MESSAGE.bitfield,
  MESSAGE.haveAll,
  MESSAGE.haveNone,
  MESSAGE.suggest,
  MESSAGE.allowedFast,
]);

const FLOOD = 'a flood of messages that move nothing';

const tooLong = (length: number): string => `a message of ${length} bytes`;

const EMPTY = new Uint8Array(4);

/** By id: the length of the message (id included); 0 where it varies or the id is unknown. */
const EXACT_LENGTH = new Uint8Array(256);
for (const id of [MESSAGE.choke, MESSAGE.unchoke, MESSAGE.interested, MESSAGE.notInterested])
  EXACT_LENGTH[id] = 1;
for (const id of [MESSAGE.haveAll, MESSAGE.haveNone]) EXACT_LENGTH[id] = 1;
for (const id of [MESSAGE.have, MESSAGE.suggest, MESSAGE.allowedFast]) EXACT_LENGTH[id] = 5;
for (const id of [MESSAGE.request, MESSAGE.cancel, MESSAGE.reject]) EXACT_LENGTH[id] = 13;
EXACT_LENGTH[MESSAGE.port] = 3;

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
