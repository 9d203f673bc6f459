/** Lookups among hundreds of nodes on a virtual clock: short forms of what `npm run bench:dht` measures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRng } from '../../policy/drawings.js';
import { announceAndFind } from '../../support/dht-lookups.js';
import { Population } from '../../support/dht-population.js';
import { VirtualInternet } from '../../support/virtual-internet.js';

const LOOKUPS = 30;
const AMONG_SYBILS = 20;

function made(live: number, dead: number, sybils?: { count: number; secure: boolean; named: number }) {
  const rng = seededRng(live + dead);
  const internet = new VirtualInternet(rng);
  const target = Uint8Array.from({ length: 20 }, () => Math.floor(rng() * 256));
  const population = new Population({
    internet,
    rng,
    live,
    dead,
    ...(sybils === undefined ? {} : { sybils: { ...sybils, target } }),
  });
  return { internet, population, target };
}

test('with a warm table of which half is dead, every lookup finds the peer within a second of virtual time', () => {
  const { internet, population } = made(500, 500);
  const first: number[] = [];
  for (let i = 0; i < LOOKUPS; i++) {
    const { firstMs } = announceAndFind(internet, population, population.randomTarget(), 1_000 + i);
    assert.ok(firstMs !== undefined, `lookup ${i} found nobody`);
    first.push(firstMs);
  }
  first.sort((a, b) => a - b);
  assert.ok((first[LOOKUPS / 2] ?? 0) <= 200, `median ${first[LOOKUPS / 2]} ms`);
  assert.ok((first[LOOKUPS - 1] ?? 0) < 1_000, `at most ${first[LOOKUPS - 1]} ms`);
});

/** As crowded as the target, and nobody has announced there before. */
const beside = (target: Uint8Array, i: number): Uint8Array => Uint8Array.from([...target.subarray(0, 19), i]);

for (const { secure, named } of [
  { secure: false, named: 64 },
  { secure: true, named: 64 },
  { secure: true, named: 10 },
]) {
  const ids = secure ? 'ids that their addresses allow' : 'any ids they like';
  test(`a fifth of the nodes crowd the target with ${ids}, naming ${named} of their own: the peer is found`, () => {
    const { internet, population, target } = made(400, 0, { count: 100, secure, named });
    let found = 0;
    for (let i = 0; i < AMONG_SYBILS; i++)
      if (announceAndFind(internet, population, beside(target, i), 1_000 + i).firstMs !== undefined) found++;
    assert.ok(found >= AMONG_SYBILS - 1, `${found} of ${AMONG_SYBILS}`);
  });
}
