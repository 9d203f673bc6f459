import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerSources } from '../../engine/peer-sources.js';
import type { PeerSource, PeerSourceHandler } from '../../engine/ports.js';

/** Writes down what it is told. */
class FakeSource implements PeerSource {
  readonly told: string[] = [];
  handler: PeerSourceHandler | undefined;

  start(handler: PeerSourceHandler): void {
    this.told.push('start');
    this.handler = handler;
  }

  completed = () => void this.told.push('completed');
  wantPeers = () => void this.told.push('want');
  portChanged = () => void this.told.push('port');

  async stop(withinMs: number): Promise<void> {
    this.told.push(`stop ${withinMs}`);
  }
}

test('who listens changes, and no source begins again', () => {
  const source = new FakeSource();
  const sources = new PeerSources(() => ({ trackers: undefined, others: [source] }));
  const [first, second]: [string[], string[]] = [[], []];
  const handlerOf = (heard: string[]): PeerSourceHandler => ({
    onPeers: (peers, from, teller) => void heard.push(`${from} ${peers.length} ${teller?.host}`),
    onStatus: () => void heard.push('status'),
  });
  sources.start(handlerOf(first));
  source.handler?.onPeers([{ host: '192.0.2.1', port: 1 }], 'dht', { host: '192.0.2.2', port: 2 });
  sources.start(handlerOf(second));
  source.handler?.onPeers([], 'dht');
  source.handler?.onStatus();
  assert.deepEqual([first, second], [['dht 1 192.0.2.2'], ['dht 0 undefined', 'status']]);
  assert.deepEqual(source.told, ['start']);
});

test('a torrent that turns out to be private ends every source but its trackers, at once and for good', async () => {
  const source = new FakeSource();
  const sources = new PeerSources(() => ({ trackers: undefined, others: [source] }));
  sources.start({ onPeers: () => {}, onStatus: () => {} });
  sources.onlyTrackers();
  sources.wantPeers();
  sources.completed();
  await sources.stop(1);
  assert.deepEqual(source.told, ['start', 'stop 0']);
});
