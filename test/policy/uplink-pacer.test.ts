import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type SendQueue, UplinkPacer } from '../../engine/policy/uplink-pacer.js';
import { asMillis, BLOCK_BYTES } from '../../engine/units.js';

const STEP_MS = 10;

interface Receiver {
  /** It has asked for so much that it has not got: what we may send ahead. */
  readonly wantsBytes: number;
  /** Between the line and its acknowledgement. */
  ackMs: number;
  /** Bytes a second of a line of its own behind ours. */
  readonly ownRate?: number;
}

/** A line with one queue in order of sending, and receivers beyond it who always want more. */
class Line {
  now = 0;
  readonly pacer = new UplinkPacer();
  readonly #flows: { accepted: number; acked: number; behindLine: number; acks: [number, number][] }[];
  #queue: { flow: number; bytes: number }[] = [];
  queuedBytes = 0;
  deliveredBytes = 0;
  #carry = 0;
  #tokens = 0;
  #turn = 0;
  #readAt = 0;

  constructor(
    public bytesPerSecond: number,
    readonly receivers: readonly Receiver[],
  ) {
    this.#flows = receivers.map(() => ({ accepted: 0, acked: 0, behindLine: 0, acks: [] }));
  }

  get queueMs(): number {
    return (1_000 * this.queuedBytes) / this.bytesPerSecond;
  }

  /** Calls `look` after every step. */
  run(seconds: number, look: () => void = () => {}): void {
    for (const end = this.now + seconds * 1_000; this.now < end; ) {
      this.now += STEP_MS;
      this.#send();
      this.#carryOn();
      this.#acknowledge();
      if (this.now >= this.#readAt) this.#read();
      look();
    }
  }

  #send(): void {
    const pace = this.pacer.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    this.#tokens = Math.min(this.#tokens + (pace * STEP_MS) / 1_000, Math.max(2 * BLOCK_BYTES, pace / 20));
    for (let idle = 0; idle < this.#flows.length && this.#tokens >= BLOCK_BYTES; ) {
      const flow = this.#turn++ % this.#flows.length;
      const [state, receiver] = [this.#flows[flow]!, this.receivers[flow]!];
      idle++;
      if (state.accepted - state.acked + BLOCK_BYTES > receiver.wantsBytes) continue;
      idle = 0;
      state.accepted += BLOCK_BYTES;
      this.#tokens -= BLOCK_BYTES;
      this.#queue.push({ flow, bytes: BLOCK_BYTES });
      this.queuedBytes += BLOCK_BYTES;
    }
  }

  #carryOn(): void {
    let room = this.#carry + (this.bytesPerSecond * STEP_MS) / 1_000;
    for (let first = this.#queue[0]; first !== undefined && room > 0; first = this.#queue[0]) {
      const bytes = Math.min(room, first.bytes);
      first.bytes -= bytes;
      room -= bytes;
      this.queuedBytes -= bytes;
      this.deliveredBytes += bytes;
      this.#flows[first.flow]!.behindLine += bytes;
      if (first.bytes === 0) this.#queue.shift();
    }
    this.#carry = this.#queue.length > 0 ? room : 0;
  }

  #acknowledge(): void {
    for (const [i, flow] of this.#flows.entries()) {
      const { ownRate = Number.POSITIVE_INFINITY, ackMs } = this.receivers[i]!;
      const bytes = Math.min(flow.behindLine, (ownRate * STEP_MS) / 1_000);
      flow.behindLine -= bytes;
      if (bytes > 0) flow.acks.push([this.now + ackMs, bytes]);
      for (let ack = flow.acks[0]; ack !== undefined && ack[0] <= this.now; ack = flow.acks[0]) {
        flow.acked += ack[1];
        flow.acks.shift();
      }
    }
  }

  #read(): void {
    const queues: SendQueue[] = this.#flows.map(({ accepted, acked }, id) => {
      return { id, acceptedBytes: accepted, unackedBytes: accepted - acked };
    });
    this.pacer.onReading(asMillis(this.now), queues, this.#tokens < BLOCK_BYTES);
    this.#readAt = this.now + this.pacer.readEveryMs;
  }
}

const MIB = 2 ** 20;
const some = (count: number, wantsBytes: number, more: Partial<Receiver> = {}): Receiver[] =>
  Array.from({ length: count }, () => ({ wantsBytes, ackMs: 30, ...more }));

/** Mean queue and share of the line over so many seconds. */
function meanOf(line: Line, seconds: number): { queueMs: number; share: number } {
  let [sum, looks] = [0, 0];
  const before = line.deliveredBytes;
  line.run(seconds, () => {
    sum += line.queueMs;
    looks++;
  });
  const share = (line.deliveredBytes - before) / seconds / line.bytesPerSecond;
  return { queueMs: sum / looks, share };
}

describe('the uplink pacer', () => {
  for (const rate of [60_000, 250_000, 2_000_000]) {
    it(`keeps the queue of a line of ${rate / 1_000} KB/s short, and the line busy`, () => {
      const line = new Line(rate, some(5, Math.max(rate / 2, 2 * BLOCK_BYTES)));
      line.run(1);
      assert.ok(line.queueMs > 500, 'without it they fill the queue');
      line.run(240);
      const { queueMs, share } = meanOf(line, 60);
      assert.ok(queueMs < 150 + (1_000 * BLOCK_BYTES) / rate, `${queueMs} ms`);
      assert.ok(share > 0.85, `${share}`);
    });
  }

  it('drains all that kernel and router hold before it takes anything for the path', () => {
    const line = new Line(600_000, some(4, 600_000, { ackMs: 5 }));
    line.run(1);
    assert.ok(line.queueMs > 3_000, 'it holds seconds');
    while (line.pacer.bytesPerSecond === undefined) line.run(0.1);
    let leastMs = Number.POSITIVE_INFINITY;
    line.run(15, () => {
      leastMs = Math.min(leastMs, line.queueMs);
    });
    assert.ok(leastMs < 30, `${leastMs} ms`);
  });

  it('takes no queue from acknowledgements that wait for a second packet, as some do', () => {
    const receivers = some(4, 600_000, { ackMs: 60 });
    const line = new Line(600_000, receivers);
    line.run(60);
    for (let turn = 0; turn < 8; turn++) {
      for (const receiver of receivers) receiver.ackMs = 1;
      line.run(4);
      for (const receiver of receivers) receiver.ackMs = 60;
      line.run(20);
    }
    const { share } = meanOf(line, 20);
    assert.ok(share > 0.8, `${share}`);
  });

  it('sets no limit while nothing queues', () => {
    const line = new Line(1_000_000, some(5, 2 * BLOCK_BYTES, { ackMs: 200 }));
    line.run(60, () => assert.equal(line.pacer.bytesPerSecond, undefined));
    assert.ok(line.deliveredBytes > 0);
  });

  it('sets none for receivers that are slow themselves, while one in four is not', () => {
    const slow = some(6, MIB, { ownRate: 20_000 });
    const line = new Line(20_000_000, [...slow, ...some(2, 8 * BLOCK_BYTES)]);
    line.run(120, () => assert.equal(line.pacer.bytesPerSecond, undefined));
  });

  it('sets none for a long path', () => {
    const line = new Line(1_000_000, some(5, 6 * BLOCK_BYTES, { ackMs: 650 }));
    line.run(120, () => assert.equal(line.pacer.bytesPerSecond, undefined));
  });

  it('does not take one slow receiver for a slow line', () => {
    const line = new Line(20_000_000, some(1, MIB, { ownRate: 20_000 }));
    line.run(120, () => assert.equal(line.pacer.bytesPerSecond, undefined));
  });

  it('follows a line that becomes faster', () => {
    const line = new Line(200_000, some(5, 200_000));
    line.run(120);
    line.bytesPerSecond = 1_000_000;
    line.run(90);
    const { share } = meanOf(line, 30);
    assert.ok(share > 0.8, `${share}`);
  });

  it('follows a line that becomes slower', () => {
    const line = new Line(400_000, some(5, 300_000));
    line.run(120);
    line.bytesPerSecond = 150_000;
    line.run(60);
    const { queueMs, share } = meanOf(line, 30);
    assert.ok(queueMs < 400, `${queueMs}`);
    assert.ok(share > 0.8, `${share}`);
  });

  it('keeps a part of the line when acknowledgements alone become late, and then learns that it is the path', () => {
    const receivers = some(5, 600_000);
    const line = new Line(400_000, receivers);
    line.run(120);
    for (const receiver of receivers) receiver.ackMs = 800;
    const first = meanOf(line, 60).share;
    assert.ok(first > 0.25, `${first}`);
    line.run(90);
    const then = meanOf(line, 60).share;
    assert.ok(then > 0.4, `${then}`);
  });

  it('is free again after a time without uploads', () => {
    const line = new Line(200_000, some(5, 200_000));
    line.run(30);
    assert.notEqual(line.pacer.bytesPerSecond, undefined);
    line.pacer.onIdle();
    assert.equal(line.pacer.bytesPerSecond, undefined);
  });
});
