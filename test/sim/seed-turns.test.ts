/** Seed turns: equals that get as much as they could expect, at any moment and from any seed, are served evenly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SeedNeighbour, SeedTurns } from '../../sim/seed-turns.js';

const TURN_MS = 30_000;
const PEERS = [0, 1, 2, 3, 4, 5, 6, 7];

const neighbour = (peer: number, fields: Partial<SeedNeighbour>): SeedNeighbour => ({
  name: `${peer}`,
  group: 'equals',
  isInterested: true,
  isChoked: true,
  ...fields,
});

/** A look a turn, in which the seed serves whom `serves` says of those who are `present`. */
function fairness(
  turns: number,
  serves: (peer: number, turn: number) => boolean,
  present: (peer: number, turn: number) => boolean = () => true,
  groupOf: (peer: number) => string = () => 'equals',
): number | undefined {
  const seedTurns = new SeedTurns();
  for (let turn = 0; turn < turns; turn++) {
    const here = PEERS.filter((peer) => present(peer, turn));
    const neighbours = here.map((peer) =>
      neighbour(peer, { group: groupOf(peer), isChoked: !serves(peer, turn) }),
    );
    seedTurns.look(turn * TURN_MS, 'seed', neighbours);
  }
  return seedTurns.fairness;
}

test('slots that go round are even', () => {
  assert.ok(fairness(40, (peer, turn) => peer === turn % 8)! > 0.98);
});

test('half of the equals served and half never is a half', () => {
  assert.equal(
    fairness(40, (peer, turn) => peer === turn % 4),
    0.5,
  );
});

test('who keeps a slot for ever is given it again and again', () => {
  assert.ok(fairness(200, (peer) => peer < 2)! < 0.3);
});

test('who was alone with the seed had no more than could be expected', () => {
  const isHere = (peer: number, turn: number): boolean => peer === 0 || turn >= 40;
  const serves = (peer: number, turn: number): boolean => (turn < 40 ? turn % 2 === 0 : peer === turn % 8);
  assert.ok(fairness(120, serves, isHere)! > 0.95);
});

test('groups are not compared, and the worst one counts', () => {
  // Peers 0 to 4 take turns of one seed, 5 to 7 hardly ever get one.
  const serves = (peer: number, turn: number): boolean => (turn % 20 === 19 ? peer === 5 : peer === turn % 5);
  assert.ok(fairness(100, serves)! < 0.8);
  assert.ok(fairness(100, serves, undefined, (peer) => (peer < 5 ? 'quick' : 'slow'))! > 0.95);
});

test('says nothing where peers could expect too little, or are too few', () => {
  assert.equal(
    fairness(8, (peer, turn) => peer === turn),
    undefined,
  );
  assert.equal(
    fairness(40, (peer) => peer === 0, undefined, String),
    undefined,
  );
});

test('who wants nothing waits for nothing', () => {
  const seedTurns = new SeedTurns();
  for (let turn = 0; turn < 60; turn++)
    seedTurns.look(
      turn * TURN_MS,
      'seed',
      PEERS.map((peer) => neighbour(peer, { isInterested: peer < 5, isChoked: peer !== turn % 5 })),
    );
  assert.ok(seedTurns.fairness! > 0.98);
});
