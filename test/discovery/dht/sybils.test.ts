/** A fifth of a thousand nodes crowd the target: a short form of what `npm run bench:dht sybils` measures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRng } from '../../policy/drawings.js';
import { announceAndFind } from '../../support/dht-lookups.js';
import { Population } from '../../support/dht-population.js';
import { VirtualInternet } from '../../support/virtual-internet.js';

const NODES = 1_000;
const TARGETS = [1];
const LOOKUPS = 100;
/** 99 %. */
const MAX_FAILED = 1;

/** How many of those that look up a target beside that of the sybils find nobody. */
function failuresAmong(secure: boolean, named: number, seed: number): number {
  const rng = seededRng(seed);
  const internet = new VirtualInternet(rng);
  const target = Uint8Array.from({ length: 20 }, () => Math.floor(rng() * 256));
  const sybils = { count: NODES / 5, target, secure, named };
  const population = new Population({ internet, rng, live: (NODES * 4) / 5, dead: 0, sybils });
  let failed = 0;
  for (let i = 0; i < LOOKUPS; i++) {
    // As crowded as the target, and nobody has announced there before.
    const infoHash = Uint8Array.from([...target.subarray(0, 19), i]);
    if (announceAndFind(internet, population, infoHash, 1_000 + i).firstMs === undefined) failed++;
  }
  return failed;
}

for (const { secure, named } of [
  { secure: false, named: 64 },
  { secure: false, named: 10 },
  { secure: true, named: 64 },
  { secure: true, named: 10 },
]) {
  const ids = secure ? 'ids that their addresses allow' : 'any ids they like';
  test(`with ${ids}, naming 8 of the ${named} closest of their own: 99 of 100 lookups find the peer`, () => {
    let failed = 0;
    for (const seed of TARGETS) failed += failuresAmong(secure, named, seed);
    assert.ok(failed <= MAX_FAILED, `${failed} of ${TARGETS.length * LOOKUPS} found nobody`);
  });
}
