/**
 * Bounded store: what strangers leave with us, by target. Full, it keeps what lies closest to our own id, for that is
 * what others look for here; a network (/24, /48) that fills it fills its own share only.
 */
import type { Millis } from '../../units.js';
import { networkOf } from './node-address.js';
import { compareDistance, idKey, type NodeId } from './node-id.js';

export interface StoreLimits {
  readonly maxTargets: number;
  /** Targets that one network outside of the LAN may open. */
  readonly maxPerNetwork: number;
}

interface Slot<V> {
  readonly target: NodeId;
  /** Who opened it; undefined in local networks. */
  readonly network: string | undefined;
  readonly value: V;
}

export class BoundedStore<V> {
  readonly #limits: StoreLimits;
  readonly #slots = new Map<string, Slot<V>>();
  readonly #opened = new Map<string, number>();

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#slots.size;
  }

  get(target: NodeId): V | undefined {
    return this.#slots.get(idKey(target))?.value;
  }

  targets(): NodeId[] {
    return [...this.#slots.values()].map(({ target }) => target);
  }

  /** @param host who wants it stored @returns undefined when there is no place for it */
  open(target: NodeId, host: string, ownId: NodeId, make: () => V): V | undefined {
    const known = this.get(target);
    if (known !== undefined) return known;
    const found = networkOf(host);
    if (found === undefined) return undefined;
    const network = found.local ? undefined : found.key;
    if (network !== undefined && (this.#opened.get(network) ?? 0) >= this.#limits.maxPerNetwork)
      return undefined;
    if (this.#slots.size >= this.#limits.maxTargets && !this.#makeRoom(target, ownId)) return undefined;
    const value = make();
    this.#slots.set(idKey(target), { target: target.slice(), network, value });
    if (network !== undefined) this.#opened.set(network, (this.#opened.get(network) ?? 0) + 1);
    return value;
  }

  /** Drops every target of which nothing is left. */
  sweep(now: Millis, isEmpty: (value: V, now: Millis) => boolean): void {
    for (const slot of this.#slots.values()) if (isEmpty(slot.value, now)) this.#drop(slot);
  }

  #makeRoom(target: NodeId, ownId: NodeId): boolean {
    let farthest: Slot<V> | undefined;
    for (const slot of this.#slots.values())
      if (farthest === undefined || compareDistance(ownId, slot.target, farthest.target) > 0) farthest = slot;
    if (farthest === undefined || compareDistance(ownId, target, farthest.target) >= 0) return false;
    this.#drop(farthest);
    return true;
  }

  #drop({ target, network }: Slot<V>): void {
    this.#slots.delete(idKey(target));
    if (network === undefined) return;
    const left = (this.#opened.get(network) ?? 0) - 1;
    if (left > 0) this.#opened.set(network, left);
    else this.#opened.delete(network);
  }
}
