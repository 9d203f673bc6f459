import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Seats } from '../../engine/swarm/seats.js';

const at = (port: number) => ({ host: '10.0.0.1', port });

test('gives a free seat again, and remembers who sat there until then', () => {
  const seats = new Seats();
  assert.equal(
    seats.take(at(1), () => false),
    0,
  );
  assert.equal(
    seats.take(at(2), () => false),
    1,
  );
  seats.leave(0);
  assert.deepEqual(seats.addressOf(0), at(1));
  assert.equal(
    seats.take(at(3), () => false),
    0,
  );
  assert.deepEqual(seats.addressOf(0), at(3));
});

test('keeps a seat while its blocks are in an unverified piece', () => {
  const seats = new Seats();
  seats.take(at(1), () => false);
  seats.leave(0);
  assert.equal(
    seats.take(at(2), (seat) => seat === 0),
    1,
  );
  assert.deepEqual(seats.addressOf(0), at(1));
});
