/**
 * Metadata assembly (BEP 9): which 16 KiB piece of the `info` dictionary to ask of which peer, and what becomes of the
 * answers. Pieces carry no hash of their own, only the whole does. So those who name the same size build it together;
 * if that turns out wrong each builds it alone, side by side, and who delivers a wrong whole is out.
 */
import { asMillis, type Millis } from '../units.js';

/** BEP 9. */
export const METADATA_PIECE_BYTES = 16 * 1024;
/** A torrent file of more than this is odd: 800,000 pieces. libtorrent takes 3 MiB. */
export const MAX_METADATA_BYTES = 16 * 1024 * 1024;
/** Sizes of all that is built at once: bounds the memory. Thirty peers side by side with 2 MiB each. */
const MAX_BUILT_BYTES = 64 * 1024 * 1024;
/** Real clients answer a handful at a time. */
const MAX_OUTSTANDING = 4;
/** What was asked so long ago is asked of everybody who has nothing else to do. */
const IMPATIENT_MS = 2_000;
const ANSWER_MS = 10_000;
/** Unanswered, or rejected, in a row: it is left alone for a while. */
const MAX_STRIKES = 3;
const REST_MS = 30_000;
/** After this long a place is due to others, if any wait for one. */
const TURN_MS = 60_000;
/** Sizes that came out wrong; more than peers at a time. */
const MAX_MIXED = 64;
const NOBODY = -1;

interface Member {
  readonly sizeBytes: number;
  /** Undefined: waits for a place. */
  whole: Whole | undefined;
  /** Piece → when it was asked for, or when the peer last answered anything since. */
  readonly asked: Map<number, Millis>;
  hasAnswered: boolean;
  /** Late or rejected, in a row. */
  strikes: number;
  restsUntil: Millis;
}

/** What those build who name one size, or one peer alone. */
interface Whole {
  readonly sizeBytes: number;
  readonly isAlone: boolean;
  readonly begunAt: Millis;
  readonly pieces: (Uint8Array | undefined)[];
  readonly from: Int32Array;
  /** By piece: how many are asked for it, and since when. */
  readonly askers: Uint16Array;
  readonly askedAt: Float64Array;
  members: number;
  present: number;
}

export class MetadataAssembly {
  readonly #isGood: (bytes: Uint8Array) => boolean;
  readonly #members = new Map<number, Member>();
  readonly #wholes = new Set<Whole>();
  /** Sizes that came out wrong when several built them. */
  readonly #mixed = new Set<number>();
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

  /** Of what is furthest, 0…1. */
  get share(): number {
    if (this.#done !== undefined) return 1;
    let best = 0;
    for (const { present, pieces } of this.#wholes) best = Math.max(best, present / pieces.length);
    return best;
  }

  /** Whether the peer has the dictionary, as far as can be told: says so, and answers what it is asked. */
  isOfUse(peer: number): boolean {
    return this.#members.get(peer)?.strikes === 0;
  }

  /** Takes those who sent a wrong whole, alone, since the last call. */
  takeLiars(): number[] {
    return this.#liars.splice(0);
  }

  /** The peer says that it has the dictionary, and its size. @returns whether we may ask it */
  onPeer(peer: number, sizeBytes: number): boolean {
    if (this.#members.has(peer) || !(sizeBytes >= 1 && sizeBytes <= MAX_METADATA_BYTES)) return false;
    this.#members.set(peer, {
      sizeBytes,
      whole: undefined,
      asked: new Map(),
      hasAnswered: false,
      strikes: 0,
      restsUntil: asMillis(0),
    });
    return true;
  }

  onPeerGone(peer: number): void {
    const member = this.#members.get(peer);
    if (member === undefined) return;
    this.#members.delete(peer);
    this.#leave(member);
  }

  /** The next piece to ask of the peer, counted as asked; undefined: none for now. */
  next(peer: number, now: Millis): number | undefined {
    const member = this.#members.get(peer);
    if (member === undefined || this.#done !== undefined) return undefined;
    if (member.restsUntil > now || member.asked.size >= MAX_OUTSTANDING) return undefined;
    const whole = this.#placeOf(member, now);
    const piece = whole && pieceToAsk(whole, member, now);
    if (whole === undefined || piece === undefined) return undefined;
    if (whole.askers[piece]!++ === 0) whole.askedAt[piece] = now;
    member.asked.set(piece, now);
    return piece;
  }

  /** @returns what is wrong with the answer; undefined: it is taken, or came too late */
  onData(peer: number, piece: number, totalBytes: number, bytes: Uint8Array): string | undefined {
    const member = this.#members.get(peer);
    if (member === undefined || this.#done !== undefined) return undefined;
    const { sizeBytes, whole } = member;
    if (totalBytes !== sizeBytes) return `metadata of ${totalBytes} bytes, ${sizeBytes} before`;
    const begin = piece * METADATA_PIECE_BYTES;
    if (begin >= sizeBytes) return `piece ${piece} of metadata of ${sizeBytes} bytes`;
    const expected = Math.min(METADATA_PIECE_BYTES, sizeBytes - begin);
    if (bytes.length !== expected) return `${bytes.length} bytes of metadata instead of ${expected}`;
    if (whole === undefined || !unask(member, whole, piece)) return undefined;
    member.strikes = 0;
    member.hasAnswered = true;
    if (whole.pieces[piece] !== undefined) return undefined;
    whole.pieces[piece] = bytes.slice();
    whole.from[piece] = peer;
    if (++whole.present === whole.pieces.length) this.#finish(whole);
    return undefined;
  }

  /** It does not have it, or not for us, or not now. */
  onReject(peer: number, piece: number, now: Millis): void {
    const member = this.#members.get(peer);
    if (member?.whole !== undefined && unask(member, member.whole, piece)) this.#strike(member, now);
  }

  /** Asks others for what was not answered in time. Call it about once a second. */
  expire(now: Millis): void {
    for (const member of this.#members.values()) {
      const { asked, whole, hasAnswered } = member;
      member.hasAnswered = false;
      if (whole === undefined) continue;
      let isLate = false;
      for (const [piece, since] of asked) {
        // Who answers one after the other, slowly, is not late.
        if (hasAnswered) asked.set(piece, now);
        else if (now - since >= ANSWER_MS) isLate = unask(member, whole, piece);
      }
      if (isLate) this.#strike(member, now);
    }
  }

  // ─── Who builds what ───────────────────────────────────────────────────────────────────────────────────

  #placeOf(member: Member, now: Millis): Whole | undefined {
    if (member.whole !== undefined) return member.whole;
    const isAlone = this.#mixed.has(member.sizeBytes);
    let whole = isAlone ? undefined : this.#common(member.sizeBytes);
    if (whole === undefined && this.#makeRoom(member.sizeBytes, now)) {
      whole = newWhole(member.sizeBytes, isAlone, now);
      this.#wholes.add(whole);
    }
    if (whole === undefined) return undefined;
    whole.members++;
    member.whole = whole;
    return whole;
  }

  #common(sizeBytes: number): Whole | undefined {
    for (const whole of this.#wholes) if (!whole.isAlone && whole.sizeBytes === sizeBytes) return whole;
    return undefined;
  }

  /** What nobody builds any more goes first, then what is larger, then what had its turn. */
  #makeRoom(sizeBytes: number, now: Millis): boolean {
    const mayGo: ((whole: Whole) => boolean)[] = [
      ({ members }) => members === 0,
      (whole) => whole.sizeBytes > sizeBytes,
      ({ begunAt }) => now - begunAt >= TURN_MS,
    ];
    for (const isNext of mayGo)
      for (const whole of this.#wholes) {
        if (this.#builtBytes + sizeBytes <= MAX_BUILT_BYTES) return true;
        if (isNext(whole)) this.#drop(whole, asMillis(now + REST_MS));
      }
    return this.#builtBytes + sizeBytes <= MAX_BUILT_BYTES;
  }

  get #builtBytes(): number {
    let bytes = 0;
    for (const { sizeBytes } of this.#wholes) bytes += sizeBytes;
    return bytes;
  }

  #leave(member: Member): void {
    const { whole } = member;
    if (whole === undefined) return;
    for (const piece of member.asked.keys()) unask(member, whole, piece);
    member.whole = undefined;
    if (--whole.members === 0 && (whole.isAlone || whole.present === 0)) this.#wholes.delete(whole);
  }

  #drop(whole: Whole, restsUntil: Millis): void {
    for (const member of this.#members.values()) {
      if (member.whole !== whole) continue;
      this.#leave(member);
      member.restsUntil = restsUntil;
    }
    this.#wholes.delete(whole);
  }

  #finish(whole: Whole): void {
    const bytes = new Uint8Array(whole.sizeBytes);
    whole.pieces.forEach((piece, index) => {
      if (piece !== undefined) bytes.set(piece, index * METADATA_PIECE_BYTES);
    });
    if (this.#isGood(bytes)) {
      this.#done = bytes;
      for (const each of this.#wholes) this.#drop(each, asMillis(0));
      return;
    }
    const [first = NOBODY, ...others] = new Set(whole.from);
    this.#drop(whole, asMillis(0));
    if (others.length === 0) {
      this.#liars.push(first);
      this.onPeerGone(first);
      return;
    }
    this.#mixed.add(whole.sizeBytes);
    for (const oldest of this.#mixed) if (this.#mixed.size > MAX_MIXED) this.#mixed.delete(oldest);
  }

  #strike(member: Member, now: Millis): void {
    if (++member.strikes % MAX_STRIKES !== 0) return;
    this.#leave(member);
    member.restsUntil = asMillis(now + REST_MS);
  }
}

function newWhole(sizeBytes: number, isAlone: boolean, begunAt: Millis): Whole {
  const count = Math.ceil(sizeBytes / METADATA_PIECE_BYTES);
  return {
    sizeBytes,
    isAlone,
    begunAt,
    pieces: new Array<Uint8Array | undefined>(count).fill(undefined),
    from: new Int32Array(count).fill(NOBODY),
    askers: new Uint16Array(count),
    askedAt: new Float64Array(count),
    members: 0,
    present: 0,
  };
}

/** The first that nobody is asked for, else the first that others have been asked for too long. */
function pieceToAsk({ pieces, askers, askedAt }: Whole, { asked }: Member, now: Millis): number | undefined {
  let late: number | undefined;
  for (let piece = 0; piece < pieces.length; piece++) {
    if (pieces[piece] !== undefined) continue;
    if (askers[piece] === 0) return piece;
    if (!asked.has(piece) && now - askedAt[piece]! >= IMPATIENT_MS) late ??= piece;
  }
  return late;
}

/** @returns whether the peer was asked for it */
function unask({ asked }: Member, whole: Whole, piece: number): boolean {
  if (!asked.delete(piece)) return false;
  whole.askers[piece]!--;
  return true;
}
