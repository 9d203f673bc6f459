import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../engine/policy/token-bucket.js';
import { UplinkPacing } from '../../engine/uplink-pacing.js';
import { VirtualClock } from '../support/virtual-clock.js';

const RATE = 200_000;

/** Five connections that share a line of 200 KB/s, with two seconds of it unacknowledged. */
class FakeQueues {
  isTold = true;
  isEmpty = false;
  onFirst = () => {};
  reads = 0;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get acceptedBytes(): number {
    return (RATE * this.#clock.now()) / 1_000 + 2 * RATE;
  }

  async read() {
    this.reads++;
    const share = { acceptedBytes: this.acceptedBytes / 5, unackedBytes: (2 * RATE) / 5 };
    return [0, 1, 2, 3, 4].map((id) => ({ id, ...share }));
  }
}

/** A look is asynchronous. */
async function advance(clock: VirtualClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds * 4; i++) {
    clock.advance(250);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function paced(limit: number) {
  const clock = new VirtualClock();
  const queues = new FakeQueues(clock);
  const bucket = new TokenBucket(limit);
  const swarm = { isDownloading: true };
  const pacing = new UplinkPacing(clock, queues, bucket, () => swarm.isDownloading);
  queues.onFirst();
  await advance(clock, 8);
  return { clock, queues, bucket, swarm, pacing };
}

test('limits uploads while they wait for seconds', async () => {
  const { bucket, pacing } = await paced(0);
  assert.ok(bucket.bytesPerSecond > 0 && bucket.bytesPerSecond <= RATE, `${bucket.bytesPerSecond}`);
  pacing.stop();
});

test("never allows more than the user's limit", async () => {
  const { bucket, pacing } = await paced(10_000);
  assert.equal(bucket.bytesPerSecond, 10_000);
  pacing.stop();
});

test('sets the user free again once nothing is downloaded', async () => {
  const { clock, bucket, swarm, pacing } = await paced(1_000_000);
  assert.ok(bucket.bytesPerSecond < 1_000_000);
  swarm.isDownloading = false;
  await advance(clock, 1);
  assert.equal(bucket.bytesPerSecond, 1_000_000);
  pacing.stop();
});

test('stops looking when it is stopped, when nobody is connected, and where the system tells nothing', async () => {
  for (const silence of ['stop', 'empty', 'untold'] as const) {
    const { clock, queues, pacing } = await paced(0);
    if (silence === 'stop') pacing.stop();
    else if (silence === 'empty') queues.isEmpty = true;
    else queues.isTold = false;
    await advance(clock, 2);
    const { reads } = queues;
    await advance(clock, 4);
    assert.equal(queues.reads, reads, silence);
    pacing.stop();
  }
});
