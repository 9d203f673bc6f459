/** Addresses that nobody answers at, as most of what trackers tell: they must not keep the live ones waiting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerSourceName } from '../../engine/ports.js';
import { addressKey, asMillis, type PeerAddress } from '../../engine/units.js';
import { FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const GOOD: PeerAddress = { host: '192.0.2.1', port: 6881 };

/** Of as many networks, so that nothing tells them from a good one. */
const dead = (count: number): PeerAddress[] =>
  Array.from({ length: count }, (_, i) => ({ host: `10.${i >> 8}.${i & 255}.1`, port: 6881 }));

/** The swarm with a network behind it where GOOD alone answers, at once, and nobody else ever does. */
class Lonely {
  readonly fake = new FakeSwarm({ maxPeers: 80 });
  #dialled = 0;

  tell(peers: readonly PeerAddress[], source: PeerSourceName): void {
    this.fake.swarm.onPeersFound(peers, source);
  }

  /** Milliseconds until GOOD is connected. */
  untilConnected(): number {
    return this.#until(() => this.fake.swarm.state.peers.size > 0);
  }

  /** Milliseconds until so many different addresses were tried. */
  untilTried(count: number): number {
    return this.#until(
      () => new Set(this.fake.dials.map(({ address }) => addressKey(address))).size >= count,
    );
  }

  #until(isDone: () => boolean): number {
    const { fake } = this;
    while (!isDone() && fake.clock.now() < 600_000) {
      for (; this.#dialled < fake.dials.length; this.#dialled++) {
        const { address, done, connectMs } = fake.dials[this.#dialled]!;
        const isGood = addressKey(address) === addressKey(GOOD);
        fake.clock.schedule(asMillis(fake.clock.now() + (isGood ? 1 : (connectMs ?? 10_000))), () =>
          done(
            isGood ? new FakeConnection(address, true, false) : { kind: 'timeout', text: 'no connection' },
          ),
        );
      }
      fake.clock.advance(10);
    }
    return fake.clock.now();
  }
}

test('has tried a thousand dead addresses of one source within 40 seconds, a good one last or not', () => {
  const lonely = new Lonely();
  lonely.tell(dead(999), 'tracker');
  lonely.tell([GOOD], 'tracker');
  const waitedMs = lonely.untilTried(1_000);
  assert.ok(waitedMs <= 40_000, `${waitedMs} ms`);
});

test('a good one of another source waits for one round of dead ones, and the user’s no longer', () => {
  for (const source of ['pex', 'user'] as const) {
    const lonely = new Lonely();
    lonely.tell(dead(999), 'tracker');
    lonely.tell([GOOD], source);
    const waitedMs = lonely.untilConnected();
    assert.ok(waitedMs <= 3_100, `${source}: ${waitedMs} ms`);
  }
});

test('gives an address all the time it may need when no other waits for its place, and the user’s always', () => {
  const alone = new FakeSwarm();
  alone.swarm.onPeersFound(dead(10), 'tracker');
  assert.ok(alone.dials.every(({ connectMs }) => connectMs === undefined));
  const crowded = new FakeSwarm();
  crowded.swarm.onPeersFound(dead(500), 'tracker');
  const first = crowded.dials.splice(0);
  for (const { done } of first.slice(0, 20)) done({ kind: 'network', text: 'refused' });
  crowded.swarm.onPeersFound([GOOD], 'user');
  first.at(-1)!.done({ kind: 'network', text: 'refused' });
  for (const { address, connectMs } of crowded.dials)
    assert.equal(connectMs === undefined, address === GOOD, addressKey(address));
  assert.ok(crowded.dials.some(({ address }) => address === GOOD));
});
