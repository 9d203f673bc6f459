import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  HandshakeRoom,
  MAX_HANDSHAKES,
  MAX_HANDSHAKES_PER_HOST,
  MAX_HANDSHAKES_PER_PREFIX,
} from '../../engine/policy/handshake-room.js';
import { asMillis } from '../../engine/units.js';
import { seededRng } from './drawings.js';

const NOW = asMillis(0);

/** Strangers are the numbers from 0, in order of arrival. */
class Lab {
  readonly room = new HandshakeRoom<number>();
  readonly inside = new Set<number>();
  #arrived = 0;

  enter(address: string, at = 0): { stranger: number; leaver: number | undefined } {
    const stranger = this.#arrived++;
    const leaver = this.room.enter(stranger, address, asMillis(at));
    this.inside.add(stranger);
    if (leaver !== undefined) assert.ok(this.inside.delete(leaver), 'who leaves was inside');
    return { stranger, leaver };
  }

  leave(stranger: number): void {
    this.room.leave(stranger);
    this.inside.delete(stranger);
  }

  fill(addressOf: (i: number) => string, count = MAX_HANDSHAKES): void {
    for (let i = 0; i < count; i++) this.enter(addressOf(i));
  }
}

/** A host of the i-th network; each has a /16, or a /32 of IPv6. */
const hostOf = (network: number, host: number): string =>
  network < 150
    ? `${network + 1}.7.${host >> 6}.${host & 63}`
    : `2a00:${(network + 1).toString(16)}:${host.toString(16)}::1`;

const HONEST = '203.113.5.5';

describe('HandshakeRoom', () => {
  it('sends nobody away while there is room', () => {
    const lab = new Lab();
    lab.fill((i) => hostOf(i, 0));
    assert.equal(lab.inside.size, MAX_HANDSHAKES);
  });

  it('takes a newcomer for one of the network that has the most, the oldest of its equals', () => {
    const lab = new Lab();
    lab.fill((i) => hostOf(i % 8 === 7 ? 0 : i % 8, i));
    const { leaver } = lab.enter(HONEST);
    assert.equal(leaver, 0);
    assert.equal(lab.enter(HONEST).leaver, 64, 'of the same network, of a prefix that lost nobody yet');
  });

  it('takes, within a network, of the prefix that has the most, and there of the host that has the most', () => {
    const lab = new Lab();
    const hosts = ['9.9.1.1', '9.9.2.1', '9.9.2.2', '9.9.2.2', '9.9.3.1', '9.9.3.2'];
    lab.fill((i) => hosts[i] ?? hostOf(i, 0));
    assert.equal(lab.enter(HONEST).leaver, 2);
  });

  it('prefers, of equals, who has said nothing for a second', () => {
    const lab = new Lab();
    lab.fill(() => '9.9.1.1', 4);
    for (const spoken of [0, 1]) lab.room.onBytes(spoken);
    lab.fill((i) => hostOf(i, 0), MAX_HANDSHAKES - 4);
    assert.equal(lab.enter(HONEST, 999).leaver, 0, 'whom silence says nothing of yet');
    assert.equal(lab.enter(HONEST, 1_000).leaver, 2);
  });

  it('gives a host, a /64, a /24 and a /48 their shares, and lets new ones in for the old', () => {
    const shares: [addressOf: (i: number) => string, share: number][] = [
      [() => '9.9.1.1', MAX_HANDSHAKES_PER_HOST],
      [(i) => `2a00:1:2:3::${i.toString(16)}`, MAX_HANDSHAKES_PER_HOST],
      [(i) => `9.9.1.${i % 200}`, MAX_HANDSHAKES_PER_PREFIX],
      [(i) => `2a00:1:2:${i.toString(16)}::1`, MAX_HANDSHAKES_PER_PREFIX],
    ];
    for (const [addressOf, share] of shares) {
      const lab = new Lab();
      lab.fill(addressOf, 300);
      assert.deepEqual(
        [...lab.inside],
        Array.from({ length: share }, (_, i) => 300 - share + i),
      );
    }
  });

  it('keeps who comes alone from its network, whatever others do from fewer networks than there are places', () => {
    const step = fc.record({
      network: fc.nat(MAX_HANDSHAKES - 2),
      host: fc.nat(1_000),
      act: fc.constantFrom('come', 'come', 'come and speak', 'leave'),
      times: fc.integer({ min: 1, max: 2_000 }),
    });
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 12, size: 'max' }), (seed, steps) => {
        const lab = new Lab();
        const random = seededRng(seed);
        lab.fill((i) => hostOf(i % (MAX_HANDSHAKES - 1), i));
        const honest = lab.enter(HONEST).stranger;
        for (const { network, host, act, times } of steps)
          for (let i = 0; i < times; i++) {
            const by = Math.floor(random() * (network + 1));
            if (act === 'leave') {
              const [oldest] = lab.inside;
              if (oldest !== undefined && oldest !== honest) lab.leave(oldest);
              continue;
            }
            const { stranger } = lab.enter(hostOf(by, host + i), i);
            if (act === 'come and speak') lab.room.onBytes(stranger);
          }
        return lab.inside.has(honest);
      }),
      { numRuns: 12 },
    );
  });

  it('keeps a newcomer, however many networks others have, until as many have come as there are places', () => {
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (seed, speak) => {
        const lab = new Lab();
        const random = seededRng(seed);
        // 2,000 IPv6 networks.
        const next = (): string => hostOf(200 + Math.floor(random() * 2_000), 0);
        lab.fill(next, 5_000);
        const honest = lab.enter(HONEST, 0).stranger;
        for (let i = 1; i < MAX_HANDSHAKES; i++) {
          const { stranger } = lab.enter(next(), (i * 1_000) / MAX_HANDSHAKES);
          if (speak) lab.room.onBytes(stranger);
        }
        return lab.inside.has(honest);
      }),
      { numRuns: 12 },
    );
  });

  it('holds no more than its places and no group that nobody is of, whatever comes and goes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(20), fc.nat(200), fc.boolean()), { maxLength: 3_000, size: 'max' }),
        (steps) => {
          const lab = new Lab();
          for (const [network, host, leaves] of steps) {
            const { stranger } = lab.enter(hostOf(network, host));
            if (leaves) lab.leave(stranger);
            assert.ok(lab.inside.size <= MAX_HANDSHAKES);
            assert.equal(lab.room.size, lab.inside.size);
          }
          for (const stranger of lab.room.strangers()) lab.leave(stranger);
          assert.equal(lab.room.size, 0);
          // Nothing is left that would count against who comes next.
          lab.fill(() => '9.9.1.1', MAX_HANDSHAKES_PER_HOST);
          assert.equal(lab.inside.size, MAX_HANDSHAKES_PER_HOST);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('forgets who left: leaving twice, or speaking after, changes nothing', () => {
    const lab = new Lab();
    const { stranger } = lab.enter('9.9.1.1');
    lab.leave(stranger);
    lab.leave(stranger);
    lab.room.onBytes(stranger);
    assert.equal(lab.room.enter(1, '9.9.1.1', NOW), undefined);
    assert.equal(lab.room.size, 1);
  });
});
