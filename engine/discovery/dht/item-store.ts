/** Items that others put here (BEP 44), checked before they are kept, for two hours after the last put. */
import type { Millis } from '../../units.js';
import { BoundedStore } from './bounded-store.js';
import {
  type Item,
  immutableTarget,
  isSigned,
  MAX_SALT_BYTES,
  MAX_VALUE_BYTES,
  mutableTarget,
} from './items.js';
import { ERROR, type Query } from './krpc.js';
import type { NodeId } from './node-id.js';

const LIFE_MS = 2 * 60 * 60_000;
/** A little over 1 MiB. */
const LIMITS = { maxTargets: 1_000, maxPerNetwork: 25 };

type Put = Extract<Query, { method: 'put' }>;

interface Slot {
  item: Item | undefined;
  until: number;
}

/** Where a put wants to be stored. */
export const targetOf = ({ value, signed, salt }: Put): NodeId =>
  signed === undefined ? immutableTarget(value) : mutableTarget(signed.publicKey, salt);

export class ItemStore {
  readonly #slots = new BoundedStore<Slot>(LIMITS);

  get size(): number {
    return this.#slots.size;
  }

  get(target: NodeId, now: Millis): Item | undefined {
    const slot = this.#slots.get(target);
    return slot !== undefined && slot.until > now ? slot.item : undefined;
  }

  /**
   * The sender's token was good. @param target `targetOf` the put
   * @returns the code of an error (BEP 44), or undefined when it is stored
   */
  put(put: Put, target: NodeId, host: string, ownId: NodeId, now: Millis): number | undefined {
    const { value, signed, salt, cas } = put;
    if (value.length > MAX_VALUE_BYTES) return ERROR.tooBig;
    if (salt !== undefined && salt.length > MAX_SALT_BYTES) return ERROR.saltTooBig;
    const stored = this.get(target, now)?.signed;
    if (signed !== undefined) {
      if (stored !== undefined && cas !== undefined && cas !== stored.sequence) return ERROR.casMismatch;
      if (stored !== undefined && signed.sequence < stored.sequence) return ERROR.oldSequence;
      if (!isSigned(value, signed, salt)) return ERROR.badSignature;
      // The same number again only refreshes what is there.
      if (stored?.sequence === signed.sequence && !this.#isSame(target, value)) return ERROR.oldSequence;
    }
    const slot = this.#slots.open(target, host, ownId, () => ({ item: undefined, until: 0 }));
    if (slot === undefined) return ERROR.server;
    slot.item = signed === undefined ? { value } : { value, signed };
    slot.until = now + LIFE_MS;
    return undefined;
  }

  sweep(now: Millis): void {
    this.#slots.sweep(now, ({ until }) => until <= now);
  }

  #isSame(target: NodeId, value: Uint8Array): boolean {
    const stored = this.#slots.get(target)?.item?.value;
    return stored !== undefined && Buffer.from(stored).equals(value);
  }
}
