/**
 * MSE handshake (message stream encryption, as Azureus specified it): bytes in, bytes out, in either role. It hides
 * which protocol a connection speaks from who only looks at it. It keeps no secret: whoever knows the info-hash can
 * stand in the middle.
 */
import {
  cipherOf,
  KEY_BYTES,
  KeyPair,
  maskedMark,
  type RandomBytes,
  secretMark,
  torrentMark,
} from './mse-keys.js';
import type { Rc4 } from './rc4.js';

/** What the stream is after the handshake; bits of `crypto_provide` and `crypto_select`. */
const PAYLOAD = { plaintext: 1, rc4: 2 } as const;

/** What one end takes as its payload. */
export type PayloadChoice = 'any' | 'rc4';

export interface MseResult {
  /** For what comes next from the peer, and goes next to it; undefined: plaintext. */
  readonly receive: Rc4 | undefined;
  readonly send: Rc4 | undefined;
  /** What the peer had to say already, decrypted. */
  readonly initialPayload: Uint8Array;
  /** The torrent that the key was made of. */
  readonly infoHash: string;
}

/** What both roles need. */
interface Means {
  readonly random: RandomBytes;
  /** Sends at once, as it is. */
  readonly send: (...parts: readonly Uint8Array[]) => void;
  /** Plaintext is taken rather than RC4, where both are. */
  readonly payload: PayloadChoice;
}

export interface InitiatorMeans extends Means {
  readonly infoHash: string;
  /** Goes with the last step, which saves a round trip. */
  readonly initialPayload: Uint8Array;
}

export interface ResponderMeans extends Means {
  /** Asked before any work is done for a peer that has sent a key. False: not now. */
  mayExchangeKeys(): boolean;
  /** Undefined: no torrent of ours has this mark (torrentMark, as hex). */
  infoHashOf(mark: string): string | undefined;
}

const MAX_PAD_BYTES = 512;
/** Clients send 68 bytes here, their BitTorrent handshake, or nothing. */
const MAX_INITIAL_PAYLOAD_BYTES = 4_096;
/** Eight zeros, encrypted: where the padding ends. */
const VERIFICATION = new Uint8Array(8);
const PLAINTEXT_PROTOCOL = Buffer.from('\x13BitTorrent protocol');

/** Yields how many bytes it needs next, and gets just these, valid until the next yield. */
type Steps<Result> = Generator<number, Result, Uint8Array>;

class MseFault extends Error {}

/** Feeds the steps of one role. */
export class MseHandshake {
  readonly #steps: Steps<MseResult>;
  #needed: Uint8Array;
  #filled = 0;
  #result: MseResult | undefined;
  #fault: string | undefined;

  private constructor(steps: Steps<MseResult>) {
    this.#steps = steps;
    this.#needed = new Uint8Array(0);
    this.#next();
  }

  /** The end that dials; sends its key at once. */
  static initiate(means: InitiatorMeans): MseHandshake {
    return new MseHandshake(initiatorSteps(means));
  }

  /** The end that accepts. */
  static respond(means: ResponderMeans): MseHandshake {
    return new MseHandshake(responderSteps(means));
  }

  /** Once it is over and well. */
  get result(): MseResult | undefined {
    return this.#result;
  }

  /** Once it is over and not well: what the peer did. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** @returns how many bytes of `chunk` belong to the handshake; all, unless it is over */
  take(chunk: Uint8Array): number {
    let at = 0;
    while (this.#result === undefined && this.#fault === undefined && at < chunk.length) {
      const part = chunk.subarray(at, at + this.#needed.length - this.#filled);
      this.#needed.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      this.#next();
    }
    return at;
  }

  #next(): void {
    try {
      while (this.#filled === this.#needed.length) {
        const step = this.#steps.next(this.#needed);
        if (step.done === true) {
          this.#result = step.value;
          return;
        }
        this.#needed = new Uint8Array(step.value);
        this.#filled = 0;
      }
    } catch (thrown) {
      if (!(thrown instanceof MseFault)) throw thrown;
      this.#fault = thrown.message;
    }
  }
}

function* initiatorSteps({
  random,
  send,
  payload,
  infoHash,
  initialPayload,
}: InitiatorMeans): Steps<MseResult> {
  const keys = new KeyPair(random);
  send(keys.publicKey(), random(padLength(random)));
  // Who answers in plaintext is told by fewer bytes than a key has, and may send no more.
  const opening = yield PLAINTEXT_PROTOCOL.length;
  if (equal(opening, PLAINTEXT_PROTOCOL)) throw new MseFault('speaks plaintext');
  const secret = sharedSecret(keys, Buffer.concat([opening, yield KEY_BYTES - opening.length]));
  const [sending, receiving] = [cipherOf('A', secret, infoHash), cipherOf('B', secret, infoHash)];

  const provided = payload === 'rc4' ? PAYLOAD.rc4 : PAYLOAD.plaintext | PAYLOAD.rc4;
  const pad = new Uint8Array(padLength(random));
  const step = Buffer.concat([
    VERIFICATION,
    u32(provided),
    u16(pad.length),
    pad,
    u16(initialPayload.length),
    initialPayload,
  ]);
  sending.apply(step);
  send(secretMark(secret), maskedMark(torrentMark(infoHash), secret), step);

  const verification = VERIFICATION.slice();
  receiving.apply(verification);
  yield* skipPadding(verification, 'verification');
  const answer = decrypted(receiving, yield 6);
  const selected = readU32(answer, 0);
  if ((selected !== PAYLOAD.plaintext && selected !== PAYLOAD.rc4) || (selected & provided) === 0)
    throw new MseFault(`selects payload ${selected}, of ${provided} provided`);
  decrypted(receiving, yield checkedPad(readU16(answer, 4)));
  return outcome(selected, sending, receiving, new Uint8Array(0), infoHash);
}

function* responderSteps(means: ResponderMeans): Steps<MseResult> {
  const { random, send, payload } = means;
  const theirs = yield KEY_BYTES;
  if (!means.mayExchangeKeys()) throw new MseFault('too many encrypted handshakes in this second');
  const keys = new KeyPair(random);
  const secret = sharedSecret(keys, theirs);
  send(keys.publicKey(), random(padLength(random)));

  yield* skipPadding(secretMark(secret), 'proof of the secret');
  const infoHash = means.infoHashOf(Buffer.from(maskedMark(yield 20, secret)).toString('hex'));
  if (infoHash === undefined) throw new MseFault('encrypted for a torrent that is not here');
  const [sending, receiving] = [cipherOf('B', secret, infoHash), cipherOf('A', secret, infoHash)];

  const offer = decrypted(receiving, yield 14);
  if (!equal(offer.subarray(0, 8), VERIFICATION)) throw new MseFault('verification is not zeros');
  const selected = selectFrom(readU32(offer, 8), payload);
  const padBytes = checkedPad(readU16(offer, 12));
  const tail = decrypted(receiving, yield padBytes + 2);
  const initialBytes = readU16(tail, padBytes);
  if (initialBytes > MAX_INITIAL_PAYLOAD_BYTES)
    throw new MseFault(`${initialBytes} bytes of initial payload`);

  const pad = new Uint8Array(padLength(random));
  const answer = Buffer.concat([VERIFICATION, u32(selected), u16(pad.length), pad]);
  sending.apply(answer);
  send(answer);
  const initialPayload = decrypted(receiving, yield initialBytes);
  return outcome(selected, sending, receiving, initialPayload, infoHash);
}

/** Reads until `mark` has passed, with at most one padding before it. */
function* skipPadding(mark: Uint8Array, name: string): Steps<void> {
  const window = (yield mark.length).slice();
  for (let skipped = 0; !equal(window, mark); skipped++) {
    if (skipped === MAX_PAD_BYTES) throw new MseFault(`no ${name} after ${MAX_PAD_BYTES} bytes of padding`);
    const next = yield 1;
    window.copyWithin(0, 1);
    window.set(next, window.length - 1);
  }
}

function sharedSecret(keys: KeyPair, theirs: Uint8Array): Uint8Array {
  const secret = keys.sharedSecret(theirs);
  if (secret === undefined) throw new MseFault('a key that makes no secret');
  return secret;
}

function selectFrom(provided: number, payload: PayloadChoice): number {
  if (payload === 'any' && (provided & PAYLOAD.plaintext) !== 0) return PAYLOAD.plaintext;
  if ((provided & PAYLOAD.rc4) !== 0) return PAYLOAD.rc4;
  throw new MseFault(
    `provides payload ${provided}, and ${payload === 'rc4' ? 'RC4' : 'RC4 or plaintext'} is needed`,
  );
}

function outcome(
  selected: number,
  sending: Rc4,
  receiving: Rc4,
  initialPayload: Uint8Array,
  infoHash: string,
): MseResult {
  const [send, receive] = selected === PAYLOAD.rc4 ? [sending, receiving] : [undefined, undefined];
  return { send, receive, initialPayload, infoHash };
}

function checkedPad(length: number): number {
  if (length > MAX_PAD_BYTES) throw new MseFault(`${length} bytes of padding`);
  return length;
}

/** In place. */
function decrypted(cipher: Rc4, bytes: Uint8Array): Uint8Array {
  cipher.apply(bytes);
  return bytes;
}

/** From 0 to 512, about evenly. */
function padLength(random: RandomBytes): number {
  return readU16(random(2), 0) % (MAX_PAD_BYTES + 1);
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const readU16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

const readU32 = (bytes: Uint8Array, at: number): number =>
  ((readU16(bytes, at) << 16) | readU16(bytes, at + 2)) >>> 0;

const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value);

const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
