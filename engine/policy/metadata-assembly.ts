/**
 * Metadata assembly (BEP 9): which 16 KiB piece of the `info` dictionary to ask of which peer, and what becomes of the
 * answers. Pieces carry no hash of their own, only the whole does. So those who name the same size build it together;
 * if that turns out wrong they build it one after the other, each alone, and who delivers a wrong whole is out.
 */
import { asMillis, type Millis } from '../units.js';

/** BEP 9. */
export const METADATA_PIECE_BYTES = 16 * 1024;
/** A torrent file of more than this is odd: 800,000 pieces. libtorrent takes 3 MiB. */
export const MAX_METADATA_BYTES = 16 * 1024 * 1024;
/** Sizes built at once: bounds the memory. */
const MAX_SIZES = 4;
/** Real clients answer a handful at a time. */
const MAX_OUTSTANDING = 4;
const ANSWER_MS = 10_000;
/** Unanswered, or rejected, in a row: others are asked. */
const MAX_STRIKES = 3;
const NOBODY = -1;

interface Member {
  readonly whole: Whole;
  /** Unanswered, late or rejected, in a row. */
  strikes: number;
}

/** What those build who name one size. */
interface Whole {
  readonly sizeBytes: number;
  readonly pieces: (Uint8Array | undefined)[];
  readonly from: Int32Array;
  /** By piece: who is asked for it. */
  readonly asked: Int32Array;
  readonly askedAt: Float64Array;
  members: number;
  present: number;
  /** It came out wrong: one peer at a time. */
  isSolo: boolean;
  owner: number;
}

export class MetadataAssembly {
  readonly #isGood: (bytes: Uint8Array) => boolean;
  readonly #members = new Map<number, Member>();
  readonly #wholes = new Map<number, Whole>();
  readonly #liars: number[] = [];
  #done: Uint8Array | undefined;

  /** @param isGood whether these are the bytes that the info-hash names */
  constructor(isGood: (bytes: Uint8Array) => boolean) {
    this.#isGood = isGood;
  }

  /** The dictionary, once it is there. */
  get done(): Uint8Array | undefined {
    return this.#done;
  }

  /** Of the size that is furthest, 0…1. */
  get share(): number {
    let best = 0;
    for (const { present, pieces } of this.#wholes.values()) best = Math.max(best, present / pieces.length);
    return best;
  }

  /** Takes those who sent a wrong whole, alone, since the last call. */
  takeLiars(): number[] {
    return this.#liars.splice(0);
  }

  /** The peer says that it has the dictionary, and its size. @returns whether we may ask it */
  onPeer(peer: number, sizeBytes: number): boolean {
    if (this.#members.has(peer) || !(sizeBytes >= 1 && sizeBytes <= MAX_METADATA_BYTES)) return false;
    const whole = this.#wholes.get(sizeBytes) ?? this.#begin(sizeBytes);
    if (whole === undefined) return false;
    whole.members++;
    this.#members.set(peer, { whole, strikes: 0 });
    return true;
  }

  onPeerGone(peer: number): void {
    const member = this.#members.get(peer);
    if (member === undefined) return;
    this.#members.delete(peer);
    const { whole } = member;
    whole.asked.forEach((who, piece) => {
      if (who === peer) whole.asked[piece] = NOBODY;
    });
    if (whole.owner === peer) restart(whole);
    if (--whole.members === 0 && whole.present === 0) this.#wholes.delete(whole.sizeBytes);
  }

  /** The next piece to ask of the peer, counted as asked; undefined: none for now. */
  next(peer: number, now: Millis): number | undefined {
    const member = this.#members.get(peer);
    if (member === undefined || this.#done !== undefined) return undefined;
    const { whole } = member;
    if (whole.asked.filter((who) => who === peer).length >= MAX_OUTSTANDING) return undefined;
    if (whole.isSolo && whole.owner === NOBODY) whole.owner = peer;
    if (whole.isSolo && whole.owner !== peer) return undefined;
    for (let piece = 0; piece < whole.pieces.length; piece++) {
      if (whole.pieces[piece] !== undefined || whole.asked[piece] !== NOBODY) continue;
      whole.asked[piece] = peer;
      whole.askedAt[piece] = now;
      return piece;
    }
    return undefined;
  }

  /** @returns what is wrong with the answer; undefined: it is taken, or came too late */
  onData(peer: number, piece: number, totalBytes: number, bytes: Uint8Array): string | undefined {
    const member = this.#members.get(peer);
    if (member === undefined || this.#done !== undefined) return undefined;
    const { whole } = member;
    if (totalBytes !== whole.sizeBytes) return `metadata of ${totalBytes} bytes, ${whole.sizeBytes} before`;
    if (piece >= whole.pieces.length) return `piece ${piece} of metadata in ${whole.pieces.length}`;
    const expected = Math.min(METADATA_PIECE_BYTES, whole.sizeBytes - piece * METADATA_PIECE_BYTES);
    if (bytes.length !== expected) return `${bytes.length} bytes of metadata instead of ${expected}`;
    if (whole.asked[piece] !== peer) return undefined;
    whole.asked[piece] = NOBODY;
    member.strikes = 0;
    whole.pieces[piece] = bytes.slice();
    whole.from[piece] = peer;
    if (++whole.present === whole.pieces.length) this.#finish(whole);
    return undefined;
  }

  /** It does not have it, or not for us, or not now. */
  onReject(peer: number, piece: number): void {
    const member = this.#members.get(peer);
    if (member === undefined || member.whole.asked[piece] !== peer) return;
    member.whole.asked[piece] = NOBODY;
    this.#strike(peer, member);
  }

  /** Asks others for what was not answered in time. @returns when to look again; null: nothing is asked */
  expire(now: Millis): Millis | null {
    let next: Millis | null = null;
    for (const [peer, member] of [...this.#members]) {
      const { whole } = member;
      let isLate = false;
      for (let piece = 0; piece < whole.asked.length; piece++) {
        if (whole.asked[piece] !== peer) continue;
        const dueAt = asMillis(whole.askedAt[piece]! + ANSWER_MS);
        if (dueAt > now) {
          next = next === null || dueAt < next ? dueAt : next;
          continue;
        }
        whole.asked[piece] = NOBODY;
        isLate = true;
      }
      if (isLate) this.#strike(peer, member);
    }
    return next;
  }

  #begin(sizeBytes: number): Whole | undefined {
    if (this.#wholes.size >= MAX_SIZES && !this.#dropEmpty()) return undefined;
    const count = Math.ceil(sizeBytes / METADATA_PIECE_BYTES);
    const whole: Whole = {
      sizeBytes,
      pieces: new Array<Uint8Array | undefined>(count).fill(undefined),
      from: new Int32Array(count).fill(NOBODY),
      asked: new Int32Array(count).fill(NOBODY),
      askedAt: new Float64Array(count),
      members: 0,
      present: 0,
      isSolo: false,
      owner: NOBODY,
    };
    this.#wholes.set(sizeBytes, whole);
    return whole;
  }

  /** Gives up what nobody builds any more. */
  #dropEmpty(): boolean {
    for (const [size, { members }] of this.#wholes) if (members === 0) return this.#wholes.delete(size);
    return false;
  }

  #finish(whole: Whole): void {
    const bytes = new Uint8Array(whole.sizeBytes);
    whole.pieces.forEach((piece, index) => {
      if (piece !== undefined) bytes.set(piece, index * METADATA_PIECE_BYTES);
    });
    if (this.#isGood(bytes)) {
      this.#done = bytes;
      return;
    }
    const sources = new Set(whole.from);
    whole.isSolo = true;
    restart(whole);
    const [only] = sources;
    if (sources.size > 1 || only === undefined) return;
    this.#liars.push(only);
    this.onPeerGone(only);
  }

  /** Who answers nothing leaves its place to others. */
  #strike(peer: number, member: Member): void {
    if (++member.strikes >= MAX_STRIKES) this.onPeerGone(peer);
    else if (member.whole.owner === peer && member.whole.members > 1) restart(member.whole);
  }
}

/** What came so far may be of anybody: it is asked again, of the next. */
function restart(whole: Whole): void {
  whole.pieces.fill(undefined);
  whole.from.fill(NOBODY);
  whole.asked.fill(NOBODY);
  whole.present = 0;
  whole.owner = NOBODY;
}
