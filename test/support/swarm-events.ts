/** What a `swarm … --json` told so far, and what of it says where peers came from. */
import assert from 'node:assert/strict';
import type { PeerSourceName } from '../../engine/units.js';
import type { RunningClient } from './clients.js';

interface ToldEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

const BOTH_ARE_TOLD: readonly PeerSourceName[] = ['dht', 'pex', 'lsd'];

export function eventsOf(client: RunningClient): ToldEvent[] {
  const lines = client.output().split('\n');
  // The last line may not be all there yet.
  return lines.slice(0, -1).flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
}

/** Sources that it was told of peers by, and those whose peers it had a connection with. */
function sourcesTold(client: RunningClient): {
  readonly found: ReadonlySet<unknown>;
  readonly connected: ReadonlySet<unknown>;
} {
  const of = (type: string) =>
    new Set(eventsOf(client).flatMap((event) => (event.type === type ? [event.source] : [])));
  return { found: of('peers-found'), connected: of('peer-connected') };
}

/**
 * It was told of peers by this source, and by no other.
 * @param connected sources that its connections may have beside this and `incoming`, since the other side may be quicker
 */
export function assertFoundBy(
  client: RunningClient,
  source: PeerSourceName,
  ...connected: readonly PeerSourceName[]
): void {
  const told = sourcesTold(client);
  // Who is told of us at the same time may dial us first.
  const isTold = told.found.size > 0 || !(BOTH_ARE_TOLD.includes(source) && told.connected.has('incoming'));
  assert.deepEqual([...told.found], isTold ? [source] : [], client.output());
  assert.ok(told.connected.size > 0, client.output());
  const others = [...told.connected].filter(
    (each) => each !== 'incoming' && each !== source && !connected.some((allowed) => allowed === each),
  );
  assert.deepEqual(others, [], client.output());
}
