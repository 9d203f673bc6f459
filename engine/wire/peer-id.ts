/** Peer id: our 20 bytes, Azureus style (BEP 20): who we are, then 12 random bytes. */

const PREFIX = '-SW0100-';
const RANDOM_BYTES = 12;

/** @throws RangeError unless `random` has 12 bytes */
export function createPeerId(random: Uint8Array): Uint8Array {
  if (random.length !== RANDOM_BYTES)
    throw new RangeError(`a peer id takes ${RANDOM_BYTES} random bytes, got ${random.length}`);
  const id = new Uint8Array(PREFIX.length + RANDOM_BYTES);
  new TextEncoder().encodeInto(PREFIX, id);
  id.set(random, PREFIX.length);
  return id;
}
