/**
 * DHT: `npm run bench:dht [loopback] [lookups] [sybils] [SEED]`. 200 nodes on real sockets, ours and those of the
 * package bittorrent-dht; lookups among 10,000 nodes on a virtual network where half of all contacts are dead; and
 * where a fifth of the nodes crowd the target. SEED: of the first target, for others than the usual ones.
 */

import { seededRng } from '../test/policy/drawings.js';
import { announceAndFind } from '../test/support/dht-lookups.js';
import { Population } from '../test/support/dht-population.js';
import { LoopbackDht } from '../test/support/loopback-dht.js';
import { VirtualInternet } from '../test/support/virtual-internet.js';
import { PackageDht } from './dht-package.js';
import { formatTable } from './table.js';

const NODES = 10_000;
const LOOKUPS = 1_000;
const TARGETS = 5;
const LOOKUPS_PER_TARGET = 40;
/** How many of their own the sybils name: most of those nearby, or so few that they hardly look like a crowd. */
const NAMED = [64, 10];
const LOOPBACK_NODES = 200;
const LOOPBACK_LOOKUPS = 100;
/** Where each waits for a time-out of two seconds, and so does the announce before. */
const SLOW_LOOKUPS = 10;

const parts: Readonly<Record<string, () => void | Promise<void>>> = { loopback, lookups, sybils };
const wanted = process.argv.slice(2).filter((word) => !/^\d+$/.test(word));
const firstSeed = Number(process.argv.slice(2).find((word) => /^\d+$/.test(word)) ?? 100);
for (const [name, run] of Object.entries(parts))
  if (wanted.length === 0 || wanted.includes(name)) await run();

async function loopback(): Promise<void> {
  const rows: string[][] = [];
  const ours = await LoopbackDht.start(LOOPBACK_NODES);
  rows.push(['swarm, all alive', ...(await lookUpOnLoopback(ours))]);
  ours.kill(0.3);
  rows.push(['swarm, 30 % killed', ...(await lookUpOnLoopback(ours))]);
  ours.close();
  const theirs = await PackageDht.start(LOOPBACK_NODES);
  rows.push(['bittorrent-dht, all alive', ...(await lookUpOnLoopback(theirs))]);
  await theirs.kill(0.3);
  rows.push(['bittorrent-dht, 30 % killed', ...(await lookUpOnLoopback(theirs, SLOW_LOOKUPS))]);
  await theirs.close();
  const joined = [ours, theirs].map(({ joinMs }) => `${joinMs.toFixed(0)} ms`).join(' and ');
  console.log(`\n${LOOPBACK_NODES} nodes on loopback, ${LOOPBACK_LOOKUPS} lookups; joined in ${joined}\n`);
  console.log(formatTable(['', 'found', 'first ms', 'p99', 'complete ms', 'p99'], rows));
}

async function lookUpOnLoopback(
  dht: LoopbackDht | PackageDht,
  lookups = LOOPBACK_LOOKUPS,
): Promise<string[]> {
  const first: number[] = [];
  const complete: number[] = [];
  for (let i = 0; i < lookups; i++) {
    const { firstMs, completeMs } = await dht.announceAndFind();
    complete.push(completeMs);
    if (firstMs !== undefined) first.push(firstMs);
  }
  return [
    `${first.length} of ${lookups}`,
    at(first, 0.5),
    at(first, 0.99),
    at(complete, 0.5),
    at(complete, 0.99),
  ];
}

function lookups(): void {
  const rng = seededRng(7);
  const internet = new VirtualInternet(rng);
  const population = new Population({ internet, rng, live: NODES, dead: NODES });
  const first: number[] = [];
  const complete: number[] = [];
  const queries: number[] = [];
  let found = 0;
  for (let i = 0; i < LOOKUPS; i++) {
    const result = announceAndFind(internet, population, population.randomTarget(), 1_000 + i);
    complete.push(result.completeMs);
    queries.push(result.queries);
    if (result.firstMs === undefined) continue;
    found++;
    first.push(result.firstMs);
  }
  console.log(
    `\n${NODES} live nodes on a virtual network, as many dead ones in all tables: found ${found} of ${LOOKUPS}\n`,
  );
  console.log(
    formatTable(
      ['', 'median', '90 %', '99 %', 'most'],
      [
        ['first peer, ms', ...spread(first)],
        ['complete, ms', ...spread(complete)],
        ['queries', ...spread(queries)],
      ],
    ),
  );
}

function sybils(): void {
  const rows: string[][] = [];
  for (const secure of [false, true]) for (const named of NAMED) rows.push(lookUpAmongSybils(secure, named));
  console.log(
    `\n${NODES} nodes, a fifth of them sybils at the target; ${TARGETS * LOOKUPS_PER_TARGET} lookups each\n`,
  );
  console.log(formatTable(['ids', 'named', 'found', 'queries', 'p99', 'complete ms', 'p99'], rows));
}

function lookUpAmongSybils(secure: boolean, named: number): string[] {
  let found = 0;
  const queries: number[] = [];
  const complete: number[] = [];
  for (let round = 0; round < TARGETS; round++) {
    const rng = seededRng(firstSeed + round);
    const internet = new VirtualInternet(rng);
    const target = Uint8Array.from({ length: 20 }, () => Math.floor(rng() * 256));
    const liars = { count: NODES / 5, target, secure, named };
    const population = new Population({ internet, rng, live: (NODES * 4) / 5, dead: 0, sybils: liars });
    for (let i = 0; i < LOOKUPS_PER_TARGET; i++) {
      // Beside each other, so that a node does not choose among the peers of earlier lookups.
      const infoHash = Uint8Array.from([...target.subarray(0, 19), i]);
      const result = announceAndFind(internet, population, infoHash, 1_000 + i);
      if (result.firstMs !== undefined) found++;
      queries.push(result.queries);
      complete.push(result.completeMs);
    }
  }
  return [
    secure ? 'within BEP 42' : 'any',
    `${named}`,
    `${((100 * found) / (TARGETS * LOOKUPS_PER_TARGET)).toFixed(1)} %`,
    at(queries, 0.5),
    at(queries, 0.99),
    at(complete, 0.5),
    at(complete, 0.99),
  ];
}

function spread(values: readonly number[]): string[] {
  return [0.5, 0.9, 0.99, 1].map((share) => at(values, share));
}

function at(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0);
}
