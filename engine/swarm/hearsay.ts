/** Hearsay: what one peer tells of others (BEP 11): whether it is heeded, and which of the addresses can be meant. */
import { meansSomethingTo } from '../policy/ip-address.js';
import type { PexPeer } from '../policy/pex-diff.js';
import { PexIntake } from '../policy/pex-intake.js';
import type { PexCodec } from '../ports.js';
import type { Millis, PeerAddress } from '../units.js';

export class Hearsay {
  readonly #codec: PexCodec;
  readonly #intake = new PexIntake();

  constructor(codec: PexCodec) {
    this.#codec = codec;
  }

  /** The addresses to be tried; undefined when it floods us, and is to go. */
  hear(now: Millis, teller: PeerAddress, payload: Uint8Array): readonly PexPeer[] | undefined {
    const message = this.#codec.decode(payload);
    const isUnreadable = typeof message === 'string';
    const entries = isUnreadable ? undefined : message.added.length + message.dropped.length;
    const verdict = this.#intake.onMessage(now, entries);
    if (verdict === 'flood') return undefined;
    // Who was dropped by the teller may be there for us.
    return verdict === 'ignore' || isUnreadable
      ? []
      : message.added.filter(({ host }) => meansSomethingTo(teller.host, host));
  }
}
