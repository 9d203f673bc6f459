/**
 * Peer pool: every peer of every swarm as a record in typed arrays, allocated once for the most there may be. Memory
 * that no peer used yet is never touched, and the garbage collector has nothing to walk. A record is named by its slot.
 *
 * Invariant: the slots in use form one ring through slot 0, which is no peer, in the order of their last announce.
 */
import type { Millis } from '../engine/units.js';
import { isIpv6Endpoint, type PackedEndpoint } from './addresses.js';

/** No peer. */
export const NO_SLOT = 0;

export const PEER_ID_BYTES = 20;
const ENDPOINT_BYTES = 18;

const IPV6 = 1;
const SEED = 2;
const COMPLETED = 4;

export class PeerPool {
  /** The swarm's id. */
  readonly swarmOf: Uint32Array;
  /** Position in whichever list of its swarm the peer is in. */
  readonly positionOf: Uint32Array;
  readonly capacity: number;
  readonly #endpoints: Uint8Array;
  readonly #peerIds: Uint8Array;
  readonly #flags: Uint8Array;
  readonly #seenAt: Float64Array;
  readonly #older: Uint32Array;
  /** Of a free slot: the next free one. */
  readonly #newer: Uint32Array;
  #firstFree = NO_SLOT;
  /** Slots from here on were never used. */
  #untouched = 1;
  #count = 0;

  constructor(capacity: number) {
    const slots = capacity + 1;
    this.capacity = capacity;
    this.swarmOf = new Uint32Array(slots);
    this.positionOf = new Uint32Array(slots);
    this.#endpoints = new Uint8Array(slots * ENDPOINT_BYTES);
    this.#peerIds = new Uint8Array(slots * PEER_ID_BYTES);
    this.#flags = new Uint8Array(slots);
    this.#seenAt = new Float64Array(slots);
    this.#older = new Uint32Array(slots);
    this.#newer = new Uint32Array(slots);
  }

  get count(): number {
    return this.#count;
  }

  /** The slot of the peer that was not heard of for longest; NO_SLOT when there is none. */
  get oldest(): number {
    return this.#newer[NO_SLOT] ?? NO_SLOT;
  }

  /** The pool must not be full. The rest of the record is the caller's to set. */
  add(endpoint: PackedEndpoint, swarm: number, now: Millis): number {
    const slot = this.#firstFree === NO_SLOT ? this.#untouched++ : this.#firstFree;
    if (slot === this.#firstFree) this.#firstFree = this.#newer[slot] ?? NO_SLOT;
    writeText(endpoint, this.#endpoints, slot * ENDPOINT_BYTES);
    this.swarmOf[slot] = swarm;
    this.#flags[slot] = isIpv6Endpoint(endpoint) ? IPV6 : 0;
    this.#link(slot, now);
    this.#count++;
    return slot;
  }

  remove(slot: number): void {
    this.#unlink(slot);
    this.#newer[slot] = this.#firstFree;
    this.#firstFree = slot;
    this.#count--;
  }

  /** The peer was just heard of. */
  renew(slot: number, now: Millis): void {
    this.#unlink(slot);
    this.#link(slot, now);
  }

  seenAt(slot: number): number {
    return this.#seenAt[slot] ?? 0;
  }

  isIpv6(slot: number): boolean {
    return this.#has(slot, IPV6);
  }

  isSeed(slot: number): boolean {
    return this.#has(slot, SEED);
  }

  setSeed(slot: number, seed: boolean): void {
    this.#flags[slot] = seed ? this.#flagsOf(slot) | SEED : this.#flagsOf(slot) & ~SEED;
  }

  /** Its download was counted, or it never had to download: it counts at most once. */
  isCompleted(slot: number): boolean {
    return this.#has(slot, COMPLETED);
  }

  setCompleted(slot: number): void {
    this.#flags[slot] = this.#flagsOf(slot) | COMPLETED;
  }

  /** @param peerId 20 characters, one a byte */
  setPeerId(slot: number, peerId: string): void {
    writeText(peerId, this.#peerIds, slot * PEER_ID_BYTES);
  }

  /** True when the first `length` bytes of the peer's endpoint are those of `endpoint`. */
  endpointMatches(slot: number, endpoint: string, length: number): boolean {
    const base = slot * ENDPOINT_BYTES;
    for (let i = 0; i < length; i++) if (this.#endpoints[base + i] !== endpoint.charCodeAt(i)) return false;
    return true;
  }

  endpoint(slot: number): PackedEndpoint {
    const base = slot * ENDPOINT_BYTES;
    return String.fromCharCode(...this.#endpoints.subarray(base, base + this.#endpointBytes(slot)));
  }

  /** The endpoints of `slots`, all of one family, as a tracker's compact answer has them. */
  packEndpoints(slots: readonly number[]): Buffer {
    const bytes = slots[0] === undefined ? 0 : this.#endpointBytes(slots[0]);
    return pack(slots, this.#endpoints, ENDPOINT_BYTES, bytes);
  }

  /** The peer ids of `slots`, 20 bytes each. */
  packPeerIds(slots: readonly number[]): Buffer {
    return pack(slots, this.#peerIds, PEER_ID_BYTES, PEER_ID_BYTES);
  }

  #endpointBytes(slot: number): number {
    return this.#has(slot, IPV6) ? 18 : 6;
  }

  #flagsOf(slot: number): number {
    return this.#flags[slot] ?? 0;
  }

  #has(slot: number, flag: number): boolean {
    return (this.#flagsOf(slot) & flag) !== 0;
  }

  #link(slot: number, now: Millis): void {
    const newest = this.#older[NO_SLOT] ?? NO_SLOT;
    this.#seenAt[slot] = now;
    this.#older[slot] = newest;
    this.#newer[slot] = NO_SLOT;
    this.#newer[newest] = slot;
    this.#older[NO_SLOT] = slot;
  }

  #unlink(slot: number): void {
    const older = this.#older[slot] ?? NO_SLOT;
    const newer = this.#newer[slot] ?? NO_SLOT;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }
}

/** Every character of `text` is one byte. */
function writeText(text: string, into: Uint8Array, offset: number): void {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
}

function pack(slots: readonly number[], from: Uint8Array, stride: number, bytes: number): Buffer {
  const packed = Buffer.allocUnsafe(slots.length * bytes);
  let at = 0;
  for (const slot of slots) {
    const base = slot * stride;
    for (let i = 0; i < bytes; i++) packed[at++] = from[base + i] ?? 0;
  }
  return packed;
}
