import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CloseReason, PeerConnection } from '../../engine/ports.js';
import { ConnectionSlots } from '../../engine/reach/connection-slots.js';
import { SlottedDialer } from '../../engine/reach/dialer.js';
import { identity } from '../wire/harness.js';

interface Attempt {
  readonly port: number;
  readonly done: (result: PeerConnection | CloseReason) => void;
  readonly onClosed: () => void;
  readonly connectMs: number | undefined;
  aborted: boolean;
}

/** Attempts that the test decides. */
function lab(limits: { maxPeers: number; maxHalfOpen: number }) {
  const attempts: Attempt[] = [];
  const slots = new ConnectionSlots(limits);
  const dialer = new SlottedDialer(
    {
      connect({ port }, _identity, done, onClosed, connectMs) {
        const attempt: Attempt = { port, done, onClosed, connectMs, aborted: false };
        attempts.push(attempt);
        return () => {
          attempt.aborted = true;
        };
      },
    },
    slots,
  );
  const results: [port: number, result: PeerConnection | CloseReason][] = [];
  const dial = (port: number): (() => void) =>
    dialer.dial({ host: '127.0.0.1', port }, identity(), (result) => results.push([port, result]));
  const ports = (): number[] => attempts.map(({ port }) => port);
  return { attempts, slots, dialer, dial, results, ports };
}

const CONNECTION = { close() {} } as unknown as PeerConnection;
const REFUSED: CloseReason = { kind: 'network', text: 'nothing listens there' };

describe('the dialer', () => {
  test('has at most so many attempts under way, and starts the others in their order', () => {
    const { attempts, slots, dial, ports } = lab({ maxPeers: 10, maxHalfOpen: 2 });
    for (const port of [1, 2, 3, 4]) dial(port);
    assert.deepEqual(ports(), [1, 2]);
    assert.equal(slots.halfOpen, 2);
    attempts[1]?.done(REFUSED);
    assert.deepEqual(ports(), [1, 2, 3]);
    attempts[0]?.done(CONNECTION);
    assert.deepEqual(ports(), [1, 2, 3, 4]);
    assert.equal(slots.halfOpen, 2);
    assert.equal(slots.used, 3);
  });

  test('gives an attempt the time that it was asked to, once it starts', () => {
    const { attempts, dialer } = lab({ maxPeers: 10, maxHalfOpen: 1 });
    for (const [port, connectMs] of [[1], [2, 3_000]] as const)
      dialer.dial({ host: '127.0.0.1', port }, identity(), () => {}, connectMs);
    attempts[0]?.done(REFUSED);
    assert.deepEqual(
      attempts.map(({ connectMs }) => connectMs),
      [undefined, 3_000],
    );
  });

  test('keeps connections and attempts together within the limit of peers', () => {
    const { attempts, slots, dial, ports } = lab({ maxPeers: 2, maxHalfOpen: 8 });
    for (const port of [1, 2, 3]) dial(port);
    attempts[0]?.done(CONNECTION);
    attempts[1]?.done(CONNECTION);
    assert.deepEqual(ports(), [1, 2]);
    assert.equal(slots.take(), false, 'an incoming connection finds no room either');
    attempts[0]?.onClosed();
    assert.deepEqual(ports(), [1, 2, 3]);
    attempts[1]?.onClosed();
    attempts[2]?.done(REFUSED);
    assert.equal(slots.used + slots.halfOpen, 0);
  });

  test('forgets an attempt that is aborted, under way or waiting', () => {
    const { attempts, slots, dial, results, ports } = lab({ maxPeers: 10, maxHalfOpen: 1 });
    const [first, second, third] = [dial(1), dial(2), dial(3)];
    second();
    first();
    first();
    assert.equal(attempts[0]?.aborted, true);
    assert.deepEqual(ports(), [1, 3]);
    assert.equal(slots.used, 1);
    third();
    assert.equal(slots.used + slots.halfOpen, 0);
    assert.deepEqual(results, []);
  });

  test('does nothing when aborted after the result', () => {
    const { attempts, slots, dial } = lab({ maxPeers: 10, maxHalfOpen: 1 });
    const abort = dial(1);
    attempts[0]?.done(CONNECTION);
    abort();
    assert.equal(attempts[0]?.aborted, false);
    assert.equal(slots.used, 1);
  });

  test('refuses what exceeds its queue, later and once', async () => {
    const { dial, results } = lab({ maxPeers: 10, maxHalfOpen: 1 });
    for (let port = 1; port <= 1_002; port++) dial(port);
    const abort = dial(1_003);
    abort();
    assert.deepEqual(results, []);
    await Promise.resolve();
    assert.deepEqual(results, [[1_002, { kind: 'local', text: 'too many attempts are waiting' }]]);
  });

  test('may be asked for more in the middle of a result', () => {
    const { attempts, slots, dial, ports } = lab({ maxPeers: 2, maxHalfOpen: 1 });
    const abort = dial(1);
    dial(2);
    const connection = attempts[0];
    assert.ok(connection);
    connection.done({ kind: 'timeout', text: 'no connection' });
    dial(3);
    abort();
    assert.deepEqual(ports(), [1, 2]);
    attempts[1]?.done(CONNECTION);
    attempts[1]?.onClosed();
    attempts[2]?.done(REFUSED);
    assert.deepEqual(ports(), [1, 2, 3]);
    assert.equal(slots.used + slots.halfOpen, 0);
  });
});
