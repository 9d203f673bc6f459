/** Node ids (BEP 5): 160 bits, and the exclusive-or metric between them. Info-hashes and targets of items live in the same space. */

export const ID_BYTES = 20;
/** 20 bytes, never changed after they are made. */
export type NodeId = Uint8Array;
/** Unpredictable bytes: for ids, transactions, secrets. */
export type RandomBytes = (length: number) => Uint8Array;

/** A DHT node that somebody told us of, or that answered. */
export interface NodeContact {
  readonly id: NodeId;
  /** Canonical literal. */
  readonly host: string;
  readonly port: number;
}

export const idKey = (id: Uint8Array): string =>
  Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');

export function sameId(a: NodeId, b: NodeId): boolean {
  for (let at = 0; at < ID_BYTES; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Below 0 when `a` is closer to `target` than `b`. */
export function compareDistance(target: NodeId, a: NodeId, b: NodeId): number {
  for (let at = 0; at < ID_BYTES; at++) {
    const byte = target[at] ?? 0;
    const difference = ((a[at] ?? 0) ^ byte) - ((b[at] ?? 0) ^ byte);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How many leading bits the two share, 0…160. */
export function sharedBits(a: NodeId, b: NodeId): number {
  for (let at = 0; at < ID_BYTES; at++) {
    const difference = (a[at] ?? 0) ^ (b[at] ?? 0);
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24;
  }
  return ID_BYTES * 8;
}

/** The distance as a share of the whole space, 0…1, by its first 48 bits. */
export function distanceShare(a: NodeId, b: NodeId): number {
  let value = 0;
  for (let at = 0; at < 6; at++) value = value * 256 + ((a[at] ?? 0) ^ (b[at] ?? 0));
  return value / 2 ** 48;
}

/** A random id that shares exactly `bits` leading bits with `id`; `bits` < 160. */
export function randomIdBeside(id: NodeId, bits: number, randomBytes: RandomBytes): NodeId {
  const made = Uint8Array.from(randomBytes(ID_BYTES));
  const whole = bits >>> 3;
  made.set(id.subarray(0, whole));
  const kept = bits & 7;
  const keep = (0xff00 >>> kept) & 0xff;
  const flip = 0x80 >>> kept;
  const mine = id[whole] ?? 0;
  made[whole] = (mine & keep) | (~mine & flip) | ((made[whole] ?? 0) & ~keep & ~flip);
  return made;
}
