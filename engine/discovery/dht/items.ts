/** Items of BEP 44: data under its own hash, or under a public key and salt, signed and numbered. */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Signed } from './krpc.js';
import type { NodeId } from './node-id.js';

export const MAX_VALUE_BYTES = 1_000;
export const MAX_SALT_BYTES = 64;
/** An ed25519 public key as DER has this in front of its 32 bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** As found in the DHT, verified. */
export interface Item {
  /** Bencode, at most 1,000 bytes. */
  readonly value: Uint8Array;
  /** Undefined: immutable. */
  readonly signed?: Signed;
}

/** Where an immutable value lives. */
export const immutableTarget = (value: Uint8Array): NodeId => createHash('sha1').update(value).digest();

/** Where the values of a key live. */
export const mutableTarget = (publicKey: Uint8Array, salt: Uint8Array = NO_SALT): NodeId =>
  createHash('sha1').update(publicKey).update(salt).digest();

const NO_SALT = new Uint8Array(0);

/** @param privateKey ed25519 */
export function signItem(
  privateKey: KeyObject,
  value: Uint8Array,
  sequence: bigint,
  salt: Uint8Array = NO_SALT,
): Signed {
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    publicKey: der.subarray(SPKI_PREFIX.length),
    signature: sign(null, signedBytes(value, sequence, salt), privateKey),
    sequence,
  };
}

/** About 0.1 ms of CPU: check sizes, tokens and sequence numbers before. */
export function isSigned(value: Uint8Array, signed: Signed, salt: Uint8Array = NO_SALT): boolean {
  try {
    const key = createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, signed.publicKey]),
      type: 'spki',
      format: 'der',
    });
    return verify(null, signedBytes(value, signed.sequence, salt), key, signed.signature);
  } catch {
    return false; // not a point of the curve
  }
}

function signedBytes(value: Uint8Array, sequence: bigint, salt: Uint8Array): Buffer {
  const salted = salt.length === 0 ? [] : [Buffer.from(`4:salt${salt.length}:`), salt];
  return Buffer.concat([...salted, Buffer.from(`3:seqi${sequence}e1:v`), value]);
}
