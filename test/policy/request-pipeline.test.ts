import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RequestPipeline } from '../../engine/policy/request-pipeline.js';
import { asMillis, BLOCK_BYTES } from '../../engine/units.js';

interface Link {
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
  readonly peerQueue?: number;
  /** The peer sends in bursts, this far apart. Default: 1 ms. */
  readonly burstMs?: number;
}

/** A peer that answers in order over such a link, asked for all that the pipeline allows. */
class SimulatedPeer {
  readonly pipeline = new RequestPipeline(asMillis(0));
  bytes = 0;
  /** Times at which requests reach the peer. */
  /** How many requests were made together, each time. */
  readonly asked: number[] = [];
  readonly #arriving: number[] = [];
  /** Times at which blocks reach us. */
  readonly #returning: number[] = [];
  #credit = 0;

  constructor(public link: Link) {
    if (link.peerQueue !== undefined) this.pipeline.setPeerQueue(link.peerQueue);
  }

  run(fromMs: number, toMs: number): number {
    const before = this.bytes;
    for (let now = fromMs; now < toMs; now++) {
      this.#send(now);
      while (this.#returning.length > 0 && this.#returning[0]! <= now) {
        this.#returning.shift();
        this.pipeline.onBlocks(asMillis(now), 1, BLOCK_BYTES);
        this.bytes += BLOCK_BYTES;
      }
      const room = this.pipeline.room(asMillis(now));
      this.pipeline.onRequested(asMillis(now), room);
      if (room > 0) this.asked.push(room);
      for (let i = 0; i < room; i++) this.#arriving.push(now + this.link.roundTripMs / 2);
      assert.ok(room === 0 || this.pipeline.outstanding <= this.pipeline.limit);
      assert.equal(this.pipeline.overdue(asMillis(now)), false, `overdue at ${now} ms`);
    }
    return ((this.bytes - before) * 1_000) / (toMs - fromMs);
  }

  #send(now: number): void {
    const burstMs = this.link.burstMs ?? 1;
    if (now % burstMs !== 0) return;
    this.#credit += (this.link.bytesPerSecond * burstMs) / 1_000;
    while (this.#arriving.length > 0 && this.#arriving[0]! <= now && this.#credit >= BLOCK_BYTES) {
      this.#arriving.shift();
      this.#credit -= BLOCK_BYTES;
      this.#returning.push(now + this.link.roundTripMs / 2);
    }
    // A line that was idle has not saved anything up, beyond the block under way.
    if (this.#arriving.length === 0 || this.#arriving[0]! > now)
      this.#credit = Math.min(this.#credit, BLOCK_BYTES);
  }
}

describe('RequestPipeline', () => {
  it('fills 100 Mbit/s at 200 ms, with the queue of a peer that does not say', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 12_500_000, roundTripMs: 200 });
    peer.run(0, 3_000);
    assert.ok(peer.run(3_000, 100_000) > 0.97 * 12_500_000);
  });

  it('fills 1 GB/s at 10 ms', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 1e9, roundTripMs: 10, peerQueue: 2_000 });
    peer.run(0, 500);
    assert.ok(peer.run(500, 2_000) > 0.95 * 1e9);
  });

  it('fills the line of a peer that sends in bursts twice a second', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 2_000_000, roundTripMs: 40, burstMs: 500 });
    peer.run(0, 5_000);
    assert.ok(peer.run(5_000, 20_000) > 0.9 * 2_000_000);
  });

  it('asks little of a slow peer: no more than it sends in a second', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 50_000, roundTripMs: 50 });
    peer.run(0, 10_000);
    assert.ok(peer.pipeline.limit <= 4, `${peer.pipeline.limit}`);
    assert.ok(peer.run(10_000, 20_000) > 0.95 * 50_000);
  });

  it('never asks a slow peer for more than a few seconds of it, from the first request on', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: BLOCK_BYTES, roundTripMs: 50 });
    let most = 0;
    for (let now = 0; now < 20_000; now += 100) {
      peer.run(now, now + 100);
      most = Math.max(most, peer.pipeline.outstanding);
    }
    assert.ok(most <= 6, `${most}`);
    assert.ok(peer.pipeline.limit <= 4, `${peer.pipeline.limit}`);
  });

  it('fills 8 MB/s at 50 ms within half a second of the first request', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 8_000_000, roundTripMs: 50 });
    peer.run(0, 500);
    assert.ok(peer.run(500, 1_000) > 0.95 * 8_000_000);
  });

  it('follows a line that gets ten times quicker, or slower, and a longer way', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 500_000, roundTripMs: 20 });
    peer.run(0, 10_000);
    peer.link = { bytesPerSecond: 5_000_000, roundTripMs: 20 };
    peer.run(10_000, 20_000);
    assert.ok(peer.run(20_000, 25_000) > 0.95 * 5_000_000);
    peer.link = { bytesPerSecond: 5_000_000, roundTripMs: 400 };
    peer.run(25_000, 50_000);
    assert.ok(peer.run(50_000, 60_000) > 0.95 * 5_000_000);
    peer.link = { bytesPerSecond: 1_000_000, roundTripMs: 1_500 };
    peer.run(60_000, 110_000);
    assert.ok(peer.run(110_000, 180_000) > 0.85 * 1_000_000);
    peer.link = { bytesPerSecond: 100_000, roundTripMs: 20 };
    peer.run(180_000, 240_000);
    assert.ok(peer.pipeline.limit < 10, `${peer.pipeline.limit}`);
  });

  it('fills up a deep pipeline by the eighth, and none is lost by it', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 50_000_000, roundTripMs: 50 });
    peer.pipeline.setPeerQueue(2_000);
    peer.run(0, 2_000);
    assert.ok(peer.run(2_000, 4_000) > 0.99 * 50_000_000);
    peer.asked.length = 0;
    peer.run(4_000, 4_500);
    assert.ok(peer.asked.length > 0 && peer.asked.length < 60, `${peer.asked.length} times`);
    const { limit } = peer.pipeline;
    assert.ok(limit >= 1_000, `${limit}`);
    assert.ok(Math.min(...peer.asked) >= limit / 8, `${peer.asked}`);
  });

  it('asks no more than the peer queues, whatever it claims', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    for (const [said, limit] of [
      [2, 2],
      [0, 1],
      [-5, 1],
      [Number.NaN, 1],
      [1.5, 1],
      [1e9, 2],
    ] as const) {
      pipeline.setPeerQueue(said);
      assert.equal(pipeline.limit, limit, `${said}`);
    }
  });

  it('is overdue 20 s after the first request, then tries with one, each time more patiently', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    assert.equal(pipeline.nextDeadline(), null);
    pipeline.onRequested(asMillis(1_000), 8);
    assert.equal(pipeline.overdue(asMillis(20_999)), false);
    assert.equal(pipeline.overdue(asMillis(21_000)), true);
    pipeline.onTimedOut(asMillis(21_000));
    assert.equal(pipeline.isSnubbed, true);
    assert.equal(pipeline.outstanding, 0);
    assert.equal(pipeline.room(asMillis(21_000)), 1);
    pipeline.onRequested(asMillis(21_000), 1);
    assert.equal(pipeline.nextDeadline(), 61_000);
    pipeline.onBlocks(asMillis(30_000), 1, BLOCK_BYTES);
    assert.equal(pipeline.isSnubbed, false);
    assert.equal(pipeline.room(asMillis(30_000)), 2);
  });

  it('waits for a slow peer as long as its blocks usually take', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    pipeline.onRequested(asMillis(0), 8);
    let now = 0;
    for (let i = 0; i < 6; i++) {
      now += 10_000;
      pipeline.onBlocks(asMillis(now), 1, BLOCK_BYTES);
    }
    assert.equal(pipeline.overdue(asMillis(now + 19_999)), false);
    assert.ok(pipeline.nextDeadline()! <= now + 60_000);
  });

  it('gives a quick peer up after a few seconds of silence', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    let now = 0;
    for (let i = 0; i < 1_000; i++) {
      pipeline.onRequested(asMillis(now), pipeline.room(asMillis(now)));
      now += 2;
      pipeline.onBlocks(asMillis(now), 1, BLOCK_BYTES);
    }
    assert.equal(pipeline.nextDeadline(), now + 5_000);
  });

  it('tells its pace: of blocks that come together each its part, and of one that is late how late it is', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    assert.equal(pipeline.paceMs(asMillis(0)), 1_000, 'unknown');
    pipeline.onRequested(asMillis(0), 4);
    pipeline.onBlocks(asMillis(100), 1, BLOCK_BYTES);
    pipeline.onBlocks(asMillis(300), 2, 2 * BLOCK_BYTES);
    assert.equal(pipeline.paceMs(asMillis(310)), 100);
    assert.equal(pipeline.paceMs(asMillis(900)), 600, 'late');
    pipeline.onTimedOut(asMillis(900));
    assert.equal(pipeline.paceMs(asMillis(900)), Number.POSITIVE_INFINITY);
  });

  it('does not grow while it is not the limit that holds the rate down', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    for (let now = 0; now < 400; now++) {
      pipeline.onRequested(asMillis(now), 1);
      pipeline.onBlocks(asMillis(now), 1, BLOCK_BYTES);
    }
    assert.equal(pipeline.limit, 2);
  });

  it('takes a request that was released for no measure of delay', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    pipeline.onRequested(asMillis(0), 2);
    pipeline.onReleased(2);
    let now = 3_000;
    for (let i = 0; i < 2_000; i++) {
      pipeline.onRequested(asMillis(now), pipeline.room(asMillis(now)));
      now += 10;
      pipeline.onBlocks(asMillis(now), 1, BLOCK_BYTES);
    }
    // 0.1 blocks a millisecond × (10 ms + 500 ms).
    assert.ok(pipeline.limit <= 60, `${pipeline.limit}`);
  });

  it('takes a time in which nothing was asked for no gap between blocks, and no rate', () => {
    const pipeline = new RequestPipeline(asMillis(0));
    let now = 0;
    const run = (blocks: number): void => {
      for (let i = 0; i < blocks; i++) {
        pipeline.onRequested(asMillis(now), pipeline.room(asMillis(now)));
        now += 10;
        pipeline.onBlocks(asMillis(now), 1, BLOCK_BYTES);
      }
    };
    run(1_000);
    pipeline.onReleased(pipeline.outstanding);
    now += 3_600_000;
    assert.equal(pipeline.room(asMillis(now)), 2, 'no rate to speak of');
    pipeline.onRequested(asMillis(now), 2);
    assert.equal(pipeline.limit, 2, 'and no verdict on the peer');
    assert.equal(pipeline.nextDeadline(), now + 5_000);
    run(2);
    assert.equal(pipeline.nextDeadline(), now + 5_000);
  });

  it('starts small again after a choke', () => {
    const peer = new SimulatedPeer({ bytesPerSecond: 12_500_000, roundTripMs: 100 });
    peer.run(0, 5_000);
    peer.pipeline.onChoked(asMillis(5_000));
    assert.equal(peer.pipeline.outstanding, 0);
    peer.pipeline.onUnchoked(asMillis(9_000));
    assert.equal(peer.pipeline.limit, 2);
  });

  it('keeps its count and bounds through any history', () => {
    const step = fc.record({
      do: fc.constantFrom('request', 'block', 'release', 'choke', 'unchoke', 'timeOut', 'queue'),
      afterMs: fc.oneof(fc.nat(50), fc.nat(100_000)),
      amount: fc.integer({ min: 1, max: 3_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const pipeline = new RequestPipeline(asMillis(0));
        let now = asMillis(0);
        let outstanding = 0;
        let queue = 250;
        for (const { do: what, afterMs, amount } of steps) {
          now = asMillis(now + afterMs);
          if (what === 'request') {
            const blocks = Math.min(amount, pipeline.room(now));
            pipeline.onRequested(now, blocks);
            outstanding += blocks;
          } else if (what === 'block' && outstanding > 0) {
            pipeline.onBlocks(now, 1, BLOCK_BYTES);
            outstanding--;
          } else if (what === 'release' && outstanding > 0) {
            const blocks = Math.min(amount, outstanding);
            pipeline.onReleased(blocks);
            outstanding -= blocks;
          } else if (what === 'choke') {
            pipeline.onChoked(now);
            outstanding = 0;
          } else if (what === 'unchoke') pipeline.onUnchoked(now);
          else if (what === 'timeOut' && pipeline.overdue(now)) {
            pipeline.onTimedOut(now);
            outstanding = 0;
          } else if (what === 'queue') {
            queue = amount;
            pipeline.setPeerQueue(amount);
          }
          assert.equal(pipeline.outstanding, outstanding);
          assert.ok(pipeline.limit >= 1 && pipeline.limit <= Math.min(queue, 2_000));
          assert.ok(pipeline.room(now) >= 0);
          const deadline = pipeline.nextDeadline();
          assert.equal(deadline === null, outstanding === 0);
          if (deadline !== null) assert.ok(deadline <= now + 60_000);
        }
      }),
    );
  });
});
