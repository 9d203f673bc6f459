/** What is checked in every run: each check fails a run in which just that is broken, and says what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwarmError } from '../../engine/errors.js';
import {
  type ChokeDecision,
  Choker,
  type ChokerContext,
  type ChokerPeer,
} from '../../engine/policy/choker.js';
import type { Peer } from '../../engine/swarm/peer.js';
import type { SwarmState } from '../../engine/swarm/swarm-state.js';
import { asPiece, BLOCK_BYTES, type Millis, type Rng } from '../../engine/units.js';
import { type Behaviour, SWARM } from '../../sim/behaviour.js';
import { CheckFailed, Checks } from '../../sim/checks.js';
import { NeverUnchoke } from '../../sim/other-chokers.js';
import type { RunResult } from '../../sim/run-result.js';
import type { Scenario } from '../../sim/scenario.js';
import { B1, B2, B3, B4 } from '../../sim/scenarios/flash-crowd.js';
import { CHURN } from '../../sim/scenarios/hardships.js';
import { simulate } from '../../sim/simulation.js';

const PIECE = asPiece(0);

const run = (scenario: Scenario, peers: number, policy: Behaviour): RunResult =>
  simulate({ scenario, peers, seed: 1, policy, replay: 'again' });

/** The engine's choker, but for what is done to its swarm once this is possible. `breaks` says whether it did it. */
function breaking(breaks: (state: SwarmState, now: Millis) => boolean): Behaviour {
  return {
    name: 'broken',
    choker: (rng, state) => {
      const choker = new Choker(rng);
      let isBroken = false;
      return {
        rechoke(now, peers, context) {
          if (!isBroken) isBroken = breaks(state(), now);
          return choker.rechoke(now, peers, context);
        },
      };
    },
  };
}

function assertFails(policy: Behaviour, message: RegExp, scenario: Scenario = { ...B1, pieces: 16 }): void {
  assert.throws(
    () => run(scenario, 8, policy),
    (error) => error instanceof CheckFailed && message.test(error.message),
  );
}

/** The first neighbour, if any, that `is` so. */
const neighbour = ({ peers }: SwarmState, is: (peer: Peer) => boolean): Peer | undefined =>
  [...peers.values()].find(is);

test('a check counts what holds, and who fails it says what, when, and how to run it again', () => {
  const checks = new Checks(() => 1500, 'npm run sim -- B1 --seed 3');
  assert.ok(checks.holds(true));
  assert.ok(!checks.holds(false));
  assert.equal(checks.count, 2);
  assert.throws(() => checks.fail('nothing goes', 'host 3'), {
    name: 'CheckFailed',
    message: 'nothing goes (host 3) at 1.500 s; again: npm run sim -- B1 --seed 3',
  });
});

// ─── Requests and answers ────────────────────────────────────────────────────────────────────────────────

test('a block is not asked for that is here', () => {
  const asksAgain = breaking((state) => {
    const peer = neighbour(state, () => state.have.get(PIECE));
    peer?.connection.request(PIECE, 0, BLOCK_BYTES);
    return peer !== undefined;
  });
  assertFails(asksAgain, /^a block is asked for that is here \(host \d+, 0:0\)/);
});

test('nobody is asked for more than its pipeline allows', () => {
  const asksTooMuch = breaking((state) => {
    const peer = neighbour(state, ({ peerChoking, amInterested }) => amInterested && !peerChoking);
    if (peer === undefined) return false;
    const most = peer.pipeline.limit + 1;
    const blocks = new Int32Array(2 * most);
    if (state.scheduler.nextBlocks(peer.id, peer.has, most, blocks) === 0) return false;
    peer.connection.request(asPiece(blocks[0]!), blocks[1]! * BLOCK_BYTES, BLOCK_BYTES);
    return true;
  });
  assertFails(
    asksTooMuch,
    /^more is asked of a peer than its pipeline allows \(host \d+, [\d.]+: \d+ of \d+\)/,
  );
});

test('no answer comes that nobody asked for', () => {
  const answersAtOnce = breaking((state) => {
    const peer = neighbour(state, ({ peerInterested, amChoking }) => peerInterested && amChoking);
    peer?.connection.reject(PIECE, 0, BLOCK_BYTES);
    return peer !== undefined;
  });
  assertFails(answersAtOnce, /^an answer comes that nobody asked for \(host \d+\)/);
});

test('pipeline and ledger agree', () => {
  const miscounts = breaking((state, now) => {
    const peer = neighbour(state, () => true);
    peer?.pipeline.onRequested(now, 1);
    return peer !== undefined;
  });
  assertFails(
    miscounts,
    /^pipeline and ledger disagree about what is outstanding \(host \d+, [\d.]+: 1 and 0\)/,
  );
});

// ─── Pieces ──────────────────────────────────────────────────────────────────────────────────────────────

const atOnce = (does: (state: SwarmState) => void): Behaviour =>
  breaking((state) => {
    // The seed's pieces are all verified.
    if (state.have.isFull) return false;
    does(state);
    return true;
  });

test('nothing unverified is served', () => {
  const servesUnverified = atOnce(({ store }) => store.frames(PIECE, 0, BLOCK_BYTES, 1));
  assertFails(servesUnverified, /^unverified bytes are served \(piece 0\)/);
});

for (const [done, does] of [
  [
    'begun',
    ({ store }) => {
      store.beginPiece(PIECE);
      store.beginPiece(PIECE);
    },
  ],
  ['given a block', ({ store }) => store.putBlock(PIECE, 0, new Uint8Array(BLOCK_BYTES))],
  ['finished', ({ store }) => store.finishPiece(PIECE)],
] as const satisfies readonly (readonly [string, (state: SwarmState) => void])[]) {
  test(`a piece is ${done} only when it can be`, () => {
    assertFails(atOnce(does), new RegExp(`^a piece is ${done} at the wrong time \\(piece 0\\)`));
  });
}

test('no store fails', () => {
  const fails = atOnce(({ store }) =>
    store.handler.onStoreFailed(new SwarmError('STORAGE_NO_SPACE', 'no room')),
  );
  assertFails(fails, /^a store failed \(no room\)/);
});

test('nobody finishes twice', () => {
  const finishesTwice = atOnce(({ observer }) => {
    observer.onComplete();
    observer.onComplete();
  });
  assertFails(finishesTwice, /^a peer finishes twice \(host \d+\)/);
});

// ─── The swarm ───────────────────────────────────────────────────────────────────────────────────────────

test('a flash crowd ends, and not after sixty times the least time', () => {
  const choker = new Choker(() => 0.5);
  const seldom: Behaviour = {
    name: 'seldom',
    rechokesEveryMs: 1_000,
    choker: () => ({
      rechoke: (now, peers, context) =>
        now % 250_000 < 2_000 ? choker.rechoke(now, peers, context) : { unchoked: new Set(), optimistic: -1 },
    }),
  };
  assertFails(seldom, /^the swarm takes for ever \(8 unfinished\)/);
});

test('a swarm progresses while all pieces are there, or the failure tells the command that runs it again', () => {
  const mute: Behaviour = { name: 'mute', choker: () => new NeverUnchoke() };
  assertFails(mute, /^nobody progresses, though all pieces are there \(8 unfinished\) at .*; again: again$/);
});

/** The engine's, but a seed never serves every other peer. All else is equal. */
class ServesHalf {
  readonly #choker: Choker;

  constructor(rng: Rng) {
    this.#choker = new Choker(rng);
  }

  rechoke(now: Millis, peers: readonly ChokerPeer[], context: ChokerContext): ChokeDecision {
    const served = context.seeding ? peers.filter(({ id }) => id % 2 === 0) : peers;
    return this.#choker.rechoke(now, served, context);
  }
}

for (const scenario of [B1, B2, B3, B4]) {
  const short: Scenario = { ...scenario, pieces: 100 };

  test(`${scenario.name}: a seed that never serves half of its equals fails the run`, () => {
    const unfair: Behaviour = { name: 'serves half', isFair: true, choker: (rng) => new ServesHalf(rng) };
    assert.throws(
      () => run(short, 30, unfair),
      /^CheckFailed: a seed prefers some of its equals \(0\.\d\d\)/,
    );
  });

  test(`${scenario.name}: the engine's seed is judged, and fair`, () => {
    const { seedFairness } = run(short, 30, SWARM);
    assert.ok(seedFairness !== null && seedFairness > 0.8, `${seedFairness}`);
  });
}

test('peers that come one by one are no favourites of the seed for having been alone with it', () => {
  const { seedFairness } = simulate({ scenario: CHURN, peers: 100, seed: 5, policy: SWARM, replay: '' });
  assert.ok(seedFairness !== null && seedFairness > 0.8, `${seedFairness}`);
});
