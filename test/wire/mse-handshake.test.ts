/** The encrypted handshake as bytes: both roles with each other however the bytes are cut, and what each refuses. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type InitiatorMeans,
  MseHandshake,
  type PayloadChoice,
  type ResponderMeans,
} from '../../engine/wire/mse-handshake.js';
import { cipherOf, KeyPair, maskedMark, secretMark, torrentMark } from '../../engine/wire/mse-keys.js';
import type { Rc4 } from '../../engine/wire/rc4.js';
import { hex, INFO_HASH } from './harness.js';

const PRIME = Buffer.from(
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22' +
    '514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6' +
    'f44c42e9a63a36210000000000090563',
  'hex',
);
const KEY_BYTES = 96;
const MAX_PAD = 512;
const VERIFICATION = Buffer.alloc(8);

/** One role with what it sends. */
class End {
  readonly sent: Uint8Array[] = [];
  readonly mse: MseHandshake;

  constructor(make: (send: (...parts: readonly Uint8Array[]) => void) => MseHandshake) {
    this.mse = make((...parts) => this.sent.push(...parts.map((part) => part.slice())));
  }

  static initiator(over: Partial<InitiatorMeans> = {}): End {
    const means = {
      random: randomBytes,
      payload: 'any',
      infoHash: INFO_HASH,
      initialPayload: EMPTY,
    } as const;
    return new End((send) => MseHandshake.initiate({ ...means, send, ...over }));
  }

  static responder(over: Partial<ResponderMeans> = {}): End {
    const marks = new Map([[hex(torrentMark(INFO_HASH)), INFO_HASH]]);
    const means = {
      random: randomBytes,
      payload: 'any',
      mayExchangeKeys: () => true,
      infoHashOf: (mark: string) => marks.get(mark),
    } as const;
    return new End((send) => MseHandshake.respond({ ...means, send, ...over }));
  }

  /** Everything sent since the last call. */
  drain(): Buffer {
    return Buffer.concat(this.sent.splice(0));
  }
}

const EMPTY = new Uint8Array(0);
const u16 = (value: number) => Buffer.from([value >>> 8, value]);
const u32 = (value: number) => Buffer.from([value >>> 24, value >>> 16, value >>> 8, value]);

describe('both roles', () => {
  for (const a of ['any', 'rc4'] as const)
    for (const b of ['any', 'rc4'] as const)
      test(`agree, ${a} with ${b}, however their bytes are cut`, () => {
        fc.assert(
          fc.property(
            fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 }),
            fc.uint8Array({ maxLength: 100 }),
            fc.uint8Array({ maxLength: 40 }),
            (cuts, initialPayload, more) => agree(a, b, cuts, initialPayload, more),
          ),
          { numRuns: 25 },
        );
      });

  test('send what the specification says, and nothing that anybody could tell', () => {
    const [first, second] = [End.initiator().drain(), End.initiator().drain()];
    for (const opening of [first, second])
      assert.ok(opening.length >= KEY_BYTES && opening.length <= KEY_BYTES + MAX_PAD);
    assert.notDeepEqual(first.subarray(0, KEY_BYTES), second.subarray(0, KEY_BYTES));
  });
});

function agree(
  a: PayloadChoice,
  b: PayloadChoice,
  cuts: number[],
  initialPayload: Uint8Array,
  more: Uint8Array,
): void {
  const dialer = End.initiator({ payload: a, initialPayload });
  const listener = End.responder({ payload: b });
  let rest: Uint8Array = EMPTY;
  for (let round = 0; dialer.mse.result === undefined || listener.mse.result === undefined; round++) {
    assert.ok(round < 4, 'it ends');
    feed(listener.mse, dialer.drain(), cuts);
    rest = feed(
      dialer.mse,
      Buffer.concat([listener.drain(), listener.mse.result === undefined ? EMPTY : more]),
      cuts,
    );
  }
  const [dialed, accepted] = [dialer.mse.result, listener.mse.result];
  assert.deepEqual(hex(rest), hex(more), 'what follows is not the handshake');
  assert.deepEqual(hex(accepted.initialPayload), hex(initialPayload));
  assert.equal(accepted.infoHash, INFO_HASH);
  const rc4 = a === 'rc4' || b === 'rc4';
  for (const cipher of [dialed.send, dialed.receive, accepted.send, accepted.receive])
    assert.equal(cipher !== undefined, rc4);
  for (const [from, to] of [
    [dialed.send, accepted.receive],
    [accepted.send, dialed.receive],
  ]) {
    const bytes = Uint8Array.of(1, 2, 3);
    from?.apply(bytes);
    to?.apply(bytes);
    assert.deepEqual(bytes, Uint8Array.of(1, 2, 3));
  }
}

/** @returns what was not taken */
function feed(mse: MseHandshake, bytes: Buffer, cuts: readonly number[]): Uint8Array {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const part = bytes.subarray(at, at + (cuts[i % cuts.length] ?? 1));
    const taken = mse.take(part);
    at += taken;
    if (taken < part.length) break;
  }
  assert.equal(mse.fault, undefined);
  return bytes.subarray(at);
}

// ─── A peer that dials us and does it wrong ──────────────────────────────────────────────────────────────

/** The bytes of a dialling peer, by hand; each part can be spoiled. */
class HandmadeInitiator {
  readonly keys = new KeyPair(randomBytes);
  readonly cipher: Rc4;
  readonly secret: Uint8Array;

  constructor(
    readonly end: End,
    pad: Uint8Array = EMPTY,
  ) {
    end.mse.take(Buffer.concat([this.keys.publicKey(), pad]));
    const secret = this.keys.sharedSecret(end.drain().subarray(0, KEY_BYTES));
    assert.ok(secret !== undefined);
    this.secret = secret;
    this.cipher = cipherOf('A', secret, INFO_HASH);
  }

  proof(infoHash = INFO_HASH): this {
    this.end.mse.take(
      Buffer.concat([secretMark(this.secret), maskedMark(torrentMark(infoHash), this.secret)]),
    );
    return this;
  }

  encrypted(...parts: readonly Uint8Array[]): this {
    const bytes = Buffer.concat(parts);
    this.cipher.apply(bytes);
    this.end.mse.take(bytes);
    return this;
  }
}

const offer = (provided: number, pad = 0) => [VERIFICATION, u32(provided), u16(pad)];

describe('who dials us is refused for', () => {
  const keys: readonly [string, Buffer][] = [
    ['key 0', Buffer.alloc(KEY_BYTES)],
    ['key 1', Buffer.concat([Buffer.alloc(KEY_BYTES - 1), u16(1).subarray(1)])],
    ['key p - 1', Buffer.from(PRIME).fill(PRIME[95]! - 1, 95)],
    ['key p', PRIME],
    ['key p + 1', Buffer.from(PRIME).fill(PRIME[95]! + 1, 95)],
    ['the largest key', Buffer.alloc(KEY_BYTES, 0xff)],
  ];
  for (const [title, key] of keys)
    test(title, () => {
      const end = End.responder();
      end.mse.take(key);
      assert.match(end.mse.fault ?? '', /key that makes no secret/);
      assert.equal(end.drain().length, 0, 'it gets nothing');
    });

  const rows: readonly [string, RegExp, (end: End) => unknown][] = [
    [
      'padding without end',
      /no proof of the secret after 512 bytes/,
      (end) => end.mse.take(Buffer.concat([randomBytes(KEY_BYTES).fill(1, 0, 1), randomBytes(10_000)])),
    ],
    [
      'padding of 513',
      /no proof of the secret after 512 bytes/,
      (end) => new HandmadeInitiator(end, randomBytes(MAX_PAD + 1)).proof(),
    ],
    ['another torrent', /not here/, (end) => new HandmadeInitiator(end).proof('bb'.repeat(20))],
    [
      'wrong verification',
      /verification/,
      (end) =>
        new HandmadeInitiator(end)
          .proof()
          .encrypted(VERIFICATION.subarray(1), Buffer.from([1]), u32(3), u16(0), u16(0)),
    ],
    [
      'nothing provided',
      /provides payload 0/,
      (end) => new HandmadeInitiator(end).proof().encrypted(...offer(0)),
    ],
    [
      'a payload that nobody knows',
      /provides payload 4/,
      (end) => new HandmadeInitiator(end).proof().encrypted(...offer(4)),
    ],
    [
      'padding C of 513',
      /513 bytes of padding/,
      (end) => new HandmadeInitiator(end).proof().encrypted(...offer(3, 513)),
    ],
    [
      'padding C of 65,535',
      /65535 bytes of padding/,
      (end) => new HandmadeInitiator(end).proof().encrypted(...offer(3, 65_535)),
    ],
    [
      'too long an initial payload',
      /4097 bytes of initial payload/,
      (end) => new HandmadeInitiator(end).proof().encrypted(...offer(3), u16(4_097)),
    ],
  ];
  for (const [title, says, attack] of rows)
    test(title, () => {
      const end = End.responder();
      attack(end);
      assert.match(end.mse.fault ?? 'no fault', says);
      assert.equal(end.mse.result, undefined);
      assert.equal(end.mse.take(Buffer.alloc(1_000)), 0, 'nothing more is looked at');
    });

  test('plaintext alone, where RC4 is required: a stripped crypto_provide', () => {
    const end = End.responder({ payload: 'rc4' });
    new HandmadeInitiator(end).proof().encrypted(...offer(1));
    assert.match(end.mse.fault ?? '', /provides payload 1, and RC4 is needed/);
  });

  test('too many others, before a key costs anything', () => {
    const end = End.responder({ mayExchangeKeys: () => false });
    end.mse.take(new KeyPair(randomBytes).publicKey());
    assert.match(end.mse.fault ?? '', /too many/);
    assert.equal(end.drain().length, 0);
  });

  test('and not for the longest padding and initial payload that are allowed, byte by byte', () => {
    const end = End.responder();
    const peer = new HandmadeInitiator(end, randomBytes(MAX_PAD)).proof();
    const initial = randomBytes(4_096);
    const tail = Buffer.concat([...offer(2, MAX_PAD), Buffer.alloc(MAX_PAD), u16(initial.length), initial]);
    for (const byte of tail) peer.encrypted(Uint8Array.of(byte));
    assert.deepEqual(hex(end.mse.result?.initialPayload ?? EMPTY), hex(initial));
  });
});

// ─── A peer that we dial and that does it wrong ──────────────────────────────────────────────────────────

class HandmadeResponder {
  readonly cipher: Rc4;

  constructor(
    readonly end: End,
    pad: Uint8Array = EMPTY,
  ) {
    const keys = new KeyPair(randomBytes);
    const secret = keys.sharedSecret(end.drain().subarray(0, KEY_BYTES));
    assert.ok(secret !== undefined);
    this.cipher = cipherOf('B', secret, INFO_HASH);
    end.mse.take(Buffer.concat([keys.publicKey(), pad]));
  }

  encrypted(...parts: readonly Uint8Array[]): this {
    const bytes = Buffer.concat(parts);
    this.cipher.apply(bytes);
    this.end.mse.take(bytes);
    return this;
  }
}

describe('whom we dial is refused for', () => {
  const rows: readonly [string, RegExp, (end: End) => unknown, PayloadChoice?][] = [
    ['key 1', /key that makes no secret/, (end) => end.mse.take(Buffer.alloc(KEY_BYTES).fill(1, 95))],
    [
      'a plaintext handshake',
      /speaks plaintext/,
      (end) => end.mse.take(Buffer.from('\x13BitTorrent protocol')),
    ],
    [
      'an echo of our own bytes',
      /no verification/,
      (end) => {
        const own = end.drain();
        end.mse.take(own);
        end.mse.take(Buffer.concat([end.drain(), randomBytes(1_000)]));
      },
    ],
    [
      'padding without end',
      /no verification after 512 bytes/,
      (end) => new HandmadeResponder(end, randomBytes(10_000)),
    ],
    [
      'padding of 513',
      /no verification after 512 bytes/,
      (end) => new HandmadeResponder(end, randomBytes(MAX_PAD + 1)).encrypted(VERIFICATION),
    ],
    [
      'wrong verification',
      /no verification/,
      (end) => new HandmadeResponder(end).encrypted(Buffer.alloc(2_000, 1)),
    ],
    [
      'padding D of 513',
      /513 bytes of padding/,
      (end) => new HandmadeResponder(end).encrypted(VERIFICATION, u32(1), u16(513)),
    ],
    [
      'selecting both',
      /selects payload 3/,
      (end) => new HandmadeResponder(end).encrypted(VERIFICATION, u32(3), u16(0)),
    ],
    [
      'selecting nothing',
      /selects payload 0/,
      (end) => new HandmadeResponder(end).encrypted(VERIFICATION, u32(0), u16(0)),
    ],
    [
      'selecting what nobody knows',
      /selects payload 2147483650/,
      (end) => new HandmadeResponder(end).encrypted(VERIFICATION, u32(0x80000002), u16(0)),
    ],
    [
      'selecting plaintext, which we did not offer',
      /selects payload 1, of 2/,
      (end) => new HandmadeResponder(end).encrypted(VERIFICATION, u32(1), u16(0)),
      'rc4',
    ],
  ];
  for (const [title, says, attack, payload = 'any'] of rows)
    test(title, () => {
      const end = End.initiator({ payload });
      attack(end);
      assert.match(end.mse.fault ?? 'no fault', says);
      assert.equal(end.mse.result, undefined);
    });
});

test('random bytes never throw, in either role', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (chunks) => {
      for (const { mse } of [End.initiator(), End.responder()]) {
        for (const chunk of chunks) mse.take(chunk);
        assert.equal(mse.result, undefined);
      }
    }),
    { numRuns: 50 },
  );
});

test('keys are hashed as the specification has it', () => {
  const sha1 = (...parts: (string | Uint8Array)[]) => {
    const hash = createHash('sha1');
    for (const part of parts) hash.update(part);
    return hash.digest('hex');
  };
  const secret = Buffer.alloc(KEY_BYTES, 7);
  assert.equal(hex(secretMark(secret)), sha1('req1', secret));
  assert.equal(hex(torrentMark(INFO_HASH)), sha1('req2', Buffer.from(INFO_HASH, 'hex')));
  assert.equal(hex(maskedMark(Buffer.alloc(20), secret)), sha1('req3', secret));
});
