/** Virtual network: one order a connection, as TCP has it, and what a message waits for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventQueue } from '../../sim/event-queue.js';
import { EVENT } from '../../sim/events.js';
import { MESSAGE } from '../../sim/messages.js';
import { VirtualNetwork } from '../../sim/virtual-network.js';

/** 100 and 1,000 kbit/s, of 1,024 bit: 12.8 and 128 bytes a millisecond. */
const LINK = { upKbit: 100, downKbit: 1000 };

class Lab {
  readonly queue = new EventQueue();
  readonly arrived: [atMs: number, what: string][] = [];
  readonly network: VirtualNetwork;
  readonly end: number;

  constructor(modemBufferBytes = 0) {
    const options = { latencyMs: 10, overhead: 0, modemBufferBytes };
    this.network = new VirtualNetwork(this.queue, options, { onSent() {} });
    this.end = this.network.connect(this.network.addHost(LINK), this.network.addHost(LINK));
  }

  block(piece: number): void {
    this.network.sendBlock(this.end, MESSAGE.block, piece, 0, 12_800);
  }

  have(piece: number): void {
    this.network.sendMessage(this.end, MESSAGE.have, piece, 0, 9);
  }

  run(untilMs = 1e6): void {
    this.network.onTickEnd();
    this.queue.run(
      {
        run: (node) => {
          if (this.queue.kindOf(node) === EVENT.link) return this.network.onLinkEvent(node);
          const kind = this.queue.b(node) === MESSAGE.block ? 'block' : 'have';
          this.arrived.push([this.queue.now, `${kind} ${this.queue.c(node)}`]);
          this.queue.free(node);
        },
        onTickEnd: () => this.network.onTickEnd(),
      },
      untilMs,
    );
  }
}

test('a message alone takes the way there', () => {
  const lab = new Lab();
  lab.have(1);
  lab.run();
  assert.deepEqual(lab.arrived, [[21, 'have 1']]);
});

test('a block takes the slower link, and what follows it arrives after it', () => {
  const lab = new Lab();
  lab.block(1);
  lab.have(2);
  lab.block(3);
  lab.have(4);
  lab.run();
  assert.deepEqual(lab.arrived, [
    [1_020, 'block 1'],
    [1_020, 'have 2'],
    [2_021, 'block 3'],
    [2_021, 'have 4'],
  ]);
});

test('what was said before a block arrives before it', () => {
  const lab = new Lab();
  lab.have(1);
  lab.block(2);
  lab.run();
  assert.deepEqual(
    lab.arrived.map(([, what]) => what),
    ['have 1', 'block 2'],
  );
});

test('a modem that holds bytes delays everything while the uplink is full', () => {
  const lab = new Lab(12_800);
  lab.block(1);
  lab.run(100);
  lab.network.sendMessage(lab.network.connect(0, 1), MESSAGE.have, 2, 0, 9);
  lab.run();
  // 1.4 ms for 9 bytes beside a flow, a thousand for the 12,800 of the modem, then the way there.
  assert.deepEqual(lab.arrived, [
    [1_122, 'have 2'],
    [2_020, 'block 1'],
  ]);
});

test('an end that closes sends nothing more', () => {
  const lab = new Lab();
  lab.block(1);
  lab.block(2);
  lab.run(1_500);
  lab.network.close(lab.end);
  assert.equal(lab.network.queuedBytes(lab.end), 0);
  lab.run();
  assert.deepEqual(
    lab.arrived.map(([, what]) => what),
    ['block 1'],
  );
});

test('counts what was handed over and is not through', () => {
  const lab = new Lab();
  lab.block(1);
  lab.block(2);
  assert.equal(lab.network.queuedBytes(lab.end), 25_600);
  lab.run(1_000);
  assert.equal(lab.network.queuedBytes(lab.end), 12_800);
});
