/**
 * RC4 as MSE uses it: the first 1,024 bytes of the key stream are thrown away. In JavaScript because the OpenSSL of
 * Node has it switched off. It hides the protocol from a quick look, and is no protection.
 */

const DROPPED_BYTES = 1_024;

export class Rc4 {
  readonly #state = Uint8Array.from({ length: 256 }, (_, i) => i);
  #i = 0;
  #j = 0;

  /** @param key from 1 to 256 bytes */
  constructor(key: Uint8Array) {
    const state = this.#state;
    for (let i = 0, j = 0; i < 256; i++) {
      const value = state[i]!;
      j = (j + value + key[i % key.length]!) & 255;
      state[i] = state[j]!;
      state[j] = value;
    }
    this.apply(new Uint8Array(DROPPED_BYTES));
  }

  /** Encrypts or decrypts in place the bytes that come next in the stream. */
  apply(bytes: Uint8Array): void {
    const state = this.#state;
    const { length } = bytes;
    let i = this.#i;
    let j = this.#j;
    for (let at = 0; at < length; at++) {
      i = (i + 1) & 255;
      const a = state[i]!;
      j = (j + a) & 255;
      const b = state[j]!;
      state[i] = b;
      state[j] = a;
      bytes[at] = bytes[at]! ^ state[(a + b) & 255]!;
    }
    this.#i = i;
    this.#j = j;
  }
}
