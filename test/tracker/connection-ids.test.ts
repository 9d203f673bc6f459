import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asMillis } from '../../engine/units.js';
import { packHost } from '../../tracker/addresses.js';
import { CONNECTION_ID_BYTES, ConnectionIds } from '../../tracker/connection-ids.js';

const MINUTE_MS = 60_000;
const ids = new ConnectionIds(new Uint8Array(32).fill(7));
const HOST = packHost('203.0.113.5') ?? '';

function idAt(nowMs: number, host = HOST, from = ids): Uint8Array {
  const id = new Uint8Array(CONNECTION_ID_BYTES);
  from.write(host, asMillis(nowMs), id, 0);
  return id;
}

test('an id is good for at least two minutes and at most four', () => {
  for (let issued = 0; issued < 10 * MINUTE_MS; issued += 17_000) {
    const id = idAt(issued);
    assert.ok(ids.verify(HOST, asMillis(issued), id));
    assert.ok(ids.verify(HOST, asMillis(issued + 2 * MINUTE_MS), id));
    assert.ok(!ids.verify(HOST, asMillis(issued + 4 * MINUTE_MS), id));
  }
});

test('an id stays expired when its one byte of epoch comes round again', () => {
  const id = idAt(0);
  for (const epochs of [255, 256, 257, 512])
    assert.ok(!ids.verify(HOST, asMillis(epochs * 2 * MINUTE_MS), id), `${epochs} epochs later`);
});

test('an id of a future epoch is refused', () => {
  assert.ok(!ids.verify(HOST, asMillis(0), idAt(2 * MINUTE_MS)));
});

test('an id is worth nothing from another address or under another secret', () => {
  const other = new ConnectionIds(new Uint8Array(32).fill(8));
  for (const host of ['203.0.113.6', '2001:db8::5', '::cb00:7105'])
    assert.ok(!ids.verify(packHost(host) ?? '', asMillis(0), idAt(0)), host);
  assert.ok(!other.verify(HOST, asMillis(0), idAt(0)));
});

test('a guessed id is refused, whatever its length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (guess) => !ids.verify(HOST, asMillis(0), guess)),
    { numRuns: 1000 },
  );
  for (let bit = 0; bit < CONNECTION_ID_BYTES * 8; bit++) {
    const id = idAt(0);
    id[bit >>> 3] = (id[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!ids.verify(HOST, asMillis(0), id), `bit ${bit} flipped`);
  }
});
