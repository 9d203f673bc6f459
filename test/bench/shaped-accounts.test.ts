import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountsOf } from '../../bench/shaped/accounts.js';
import type { Observed } from '../../bench/shaped/clients.js';
import type { PieceSample, Sample } from '../../bench/shaped/probe.js';
import { leastSeconds, type ShapedCase, type SwarmRun } from '../../bench/shaped/swarm-run.js';

const MBIT = 1_000_000;
const shapedCase = (seedMbit: number, totalBytes: number, downMbit = 80): ShapedCase => ({
  name: 'case',
  totalBytes,
  seed: { upBitsPerSecond: seedMbit * MBIT, downBitsPerSecond: undefined },
  leecher: { upBitsPerSecond: 8 * MBIT, downBitsPerSecond: downMbit * MBIT },
  target: 1,
});

test('the least time is bound by all uplinks, by the seed, or by the slowest downlink', () => {
  assert.equal(leastSeconds(shapedCase(16, 32 * 2 ** 20), 8).toFixed(2), '26.84');
  assert.equal(leastSeconds(shapedCase(6, 16 * 2 ** 20), 8).toFixed(2), '22.37');
  assert.equal(leastSeconds(shapedCase(1_000, 10_000_000, 1), 1), 80);
});

const QUIET: Omit<Sample, 'atMs'> = {
  type: 'sample',
  pieces: 0,
  downloadedBytes: 0,
  wastedBytes: 0,
  uploadedBytes: 0,
  distinctBlocksSent: 0,
  blocksSent: 0,
  peers: 0,
  interested: 0,
  unchoked: 0,
  served: 0,
  queuedBlocks: 0,
  bufferedBytes: 0,
  interesting: 0,
  unchokedBy: 0,
  outstandingBlocks: 0,
  requestLimit: 0,
  idleSources: 0,
  freshPiecesOfIdleSources: 0,
  endgame: false,
  seedDelaysMs: [],
  leecherDelaysMs: [],
};

function observedAs(samples: readonly Sample[], verified: readonly PieceSample[]): Observed {
  const observed: Omit<Observed, 'finished' | 'finish'> = {
    pieces: 0,
    samples: [...samples],
    verified: [...verified],
    heard: [],
    asked: [],
    firstAtMs: {},
  };
  return observed as Observed;
}

/**
 * A seed of 8 Mbit/s and two leechers of 8, two pieces of a megabyte. The seed sends for three seconds, one of them
 * the first piece again; each leecher is idle but for one second. All have everything after four.
 */
function smallRun(): { run: SwarmRun; shaped: ShapedCase } {
  const at = (seconds: number) => 10_000 + 1_000 * seconds;
  const looks = [0, 1, 2, 3, 4];
  const seedSamples = looks.map((seconds) => ({
    ...QUIET,
    atMs: at(seconds),
    interested: 1,
    unchoked: 1,
    blocksSent: Math.min(3, seconds) * 61,
    distinctBlocksSent: Math.min(2, seconds) * 61,
  }));
  const leecherSamples = looks.map((seconds) => ({
    ...QUIET,
    atMs: at(seconds),
    interested: seconds < 2 ? 0 : 1,
    wastedBytes: seconds < 4 ? 0 : 250_000,
  }));
  const verified = (seconds: number, piece: number) => ({
    type: 'verified' as const,
    atMs: at(seconds),
    piece,
  });
  const run: SwarmRun = {
    startedAtMs: at(0),
    pieceCount: 2,
    hosts: ['seed', 'a', 'b'],
    kinds: ['swarm', 'swarm'],
    finishedAtMs: [at(4), at(4)],
    observed: [
      observedAs(seedSamples, []),
      observedAs(leecherSamples, [verified(1, 0), verified(4, 1)]),
      observedAs(leecherSamples, [verified(3, 1), verified(4, 0)]),
    ],
    links: looks.map((seconds) => {
      const leecher = seconds < 4 ? 0 : 1_000_000;
      return { atMs: at(seconds), sentBytes: [Math.min(3, seconds) * 1_000_000, leecher, leecher] };
    }),
    chargedBytes: [3_000_000, 1_000_000, 1_000_000],
    cpuShare: 0,
  };
  return { run, shaped: shapedCase(8, 2_000_000) };
}

test('the parts of the accounts make up the time of the swarm', () => {
  const { run, shaped } = smallRun();
  const { idle, wasteSeconds, overheadSeconds } = accountsOf(run, shaped);
  const idleSeconds = Object.values(idle).flatMap((causes) => Object.values(causes));
  const useful = (2 * 2_000_000) / 3_000_000;
  const parts = [...idleSeconds, wasteSeconds, overheadSeconds, useful];
  assert.ok(Math.abs(parts.reduce((sum, part) => sum + part, 0) - 4) < 1e-9);
});

test('an idle line is booked on its phase, and on why nobody could use it', () => {
  const { run, shaped } = smallRun();
  const { idle, seedIdle, wasteSeconds } = accountsOf(run, shaped);
  // Of three lines: both leechers for a second or three until they have a piece, wanted by nobody in two of these.
  assert.equal(idle.start.unwanted.toFixed(3), ((1 + 2) / 3).toFixed(3));
  assert.equal(idle.start.choked.toFixed(3), (1 / 3).toFixed(3));
  assert.equal(idle.middle.unwanted.toFixed(3), (1 / 3).toFixed(3));
  assert.equal(idle.middle.choked.toFixed(3), (1 / 3).toFixed(3));
  assert.equal(idle.middle.unasked.toFixed(3), (1 / 3).toFixed(3));
  assert.equal(seedIdle.middle.unasked, 1);
  assert.equal(wasteSeconds.toFixed(3), (0.5 / 3).toFixed(3));
});

test('what the seed sent again before there was a full copy is counted', () => {
  const { run, shaped } = smallRun();
  const { seed } = accountsOf(run, shaped);
  assert.equal(seed?.fullCopySeconds, 3);
  assert.equal(seed?.duplicateShare, (61 * 16_384) / 2_000_000);
  assert.equal(seed?.wireShare, 1.5);
});

test('a block that the seed is asked for again is booked on what the asker knew', () => {
  const { run, shaped } = smallRun();
  const [seed, a, b] = run.observed;
  const at = (seconds: number) => run.startedAtMs + 1_000 * seconds;
  const asked = (seconds: number, from: string) => ({
    type: 'asked' as const,
    atMs: at(seconds),
    piece: 0,
    begin: 0,
    from,
  });
  // Leecher a has piece 0 after a second, and b hears of it after two.
  b?.heard.push({ type: 'heard', atMs: at(2), piece: 0, from: 'a' });
  a?.heard.push({ type: 'heard', atMs: at(0), piece: 0, from: 'seed' });
  seed?.asked.push(asked(0.1, 'a'), asked(0.5, 'b'), asked(1.5, 'b'), asked(2.5, 'b'), asked(3.5, 'b'));
  const accounts = accountsOf(run, shaped).seed;
  const block = 16_384 / 2_000_000;
  assert.equal(accounts?.askedMeanwhileShare, block);
  assert.equal(accounts?.askedUnheardShare, block);
  assert.equal(accounts?.askedThoughHeardShare, block);
});
