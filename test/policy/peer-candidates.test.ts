import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PeerCandidates } from '../../engine/policy/peer-candidates.js';
import type { PeerSourceName } from '../../engine/ports.js';
import { addressKey, asMillis, type PeerAddress } from '../../engine/units.js';
import { seededRng } from './drawings.js';

const at = asMillis;
const peer = (text: string): PeerAddress => {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
};
const candidatesOf = (seed = 1): PeerCandidates => new PeerCandidates(seededRng(seed));
const nextKey = (candidates: PeerCandidates, now: number): string | undefined => {
  const candidate = candidates.next(at(now));
  return candidate && addressKey(candidate.address);
};

describe('PeerCandidates', () => {
  it('hands out each address once, and says where it came from', () => {
    const candidates = candidatesOf();
    assert.equal(candidates.add(at(0), peer('192.0.2.1:6881'), 'tracker'), true);
    assert.equal(candidates.add(at(0), peer('192.0.2.1:6881'), 'pex'), false);
    assert.equal(candidates.size, 1);
    assert.deepEqual(candidates.next(at(0)), { address: peer('192.0.2.1:6881'), source: 'tracker' });
    assert.equal(candidates.size, 0);
    assert.equal(candidates.next(at(0)), undefined);
    assert.equal(candidates.nextAt(), undefined);
    assert.equal(candidates.add(at(0), peer('192.0.2.1:6881'), 'pex'), false, 'it is out');
  });

  it('refuses port 0', () => {
    assert.equal(candidatesOf().add(at(0), peer('192.0.2.1:0'), 'tracker'), false);
  });

  it('waits longer after each failure, and forgets after six', () => {
    const candidates = candidatesOf();
    candidates.add(at(0), peer('192.0.2.1:6881'), 'tracker');
    let now = 0;
    const waits: number[] = [];
    for (let failure = 1; failure <= 6; failure++) {
      assert.equal(nextKey(candidates, now), '192.0.2.1:6881');
      candidates.onFailed(at(now), peer('192.0.2.1:6881'));
      const due = candidates.nextAt();
      if (due === undefined) break;
      assert.equal(nextKey(candidates, due - 1), undefined);
      // Hearing of it again does not make it due.
      assert.equal(candidates.add(at(now), peer('192.0.2.1:6881'), 'tracker'), false);
      waits.push(due - now);
      now = due;
    }
    assert.equal(waits.length, 5);
    for (const [i, wait] of waits.entries()) {
      assert.ok(wait >= 15_000 * 2 ** i && wait <= 1.3 * 15_000 * 2 ** i);
    }
    assert.equal(candidates.size, 0);
    assert.equal(candidates.add(at(now), peer('192.0.2.1:6881'), 'tracker'), true);
  });

  it('never gives up an address of the user’s, and tries it first and often', () => {
    const candidates = candidatesOf();
    for (let i = 0; i < 50; i++) candidates.add(at(0), peer(`198.51.100.${i}:1`), 'tracker');
    candidates.add(at(0), peer('192.0.2.1:6881'), 'user');
    let now = 0;
    for (let i = 0; i < 30; i++) {
      assert.equal(nextKey(candidates, now), '192.0.2.1:6881');
      candidates.onFailed(at(now), peer('192.0.2.1:6881'));
      now += 20_000;
    }
  });

  it('treats an address as the user’s once the user gives it', () => {
    const candidates = candidatesOf();
    candidates.add(at(0), peer('192.0.2.1:1'), 'pex');
    candidates.add(at(0), peer('192.0.2.1:1'), 'user');
    assert.equal(candidates.next(at(0))?.source, 'user');
  });

  it('counts failures from the last connection on', () => {
    const candidates = candidatesOf();
    candidates.add(at(0), peer('192.0.2.1:1'), 'pex');
    for (let round = 0; round < 20; round++) {
      const now = round * 100_000;
      assert.equal(nextKey(candidates, now), '192.0.2.1:1');
      candidates.onConnected(at(now), peer('192.0.2.1:1'));
      candidates.onClosed(at(now), peer('192.0.2.1:1'), false);
    }
  });

  it('counts a network’s connections no more when they are forgotten', () => {
    const candidates = candidatesOf();
    for (const address of ['192.0.2.1:1', '192.0.2.2:1']) candidates.add(at(0), peer(address), 'pex');
    for (let i = 0; i < 2; i++) candidates.next(at(0));
    for (const address of ['192.0.2.1:1', '192.0.2.2:1']) candidates.ban(peer(address));
    candidates.add(at(0), peer('198.51.100.1:1'), 'pex');
    candidates.next(at(0));
    for (const address of ['192.0.2.3:1', '198.51.100.2:1']) candidates.add(at(0), peer(address), 'pex');
    assert.equal(nextKey(candidates, 0), '192.0.2.3:1');
  });

  it('prefers who was useful, then who failed less, then networks that we are not connected to', () => {
    const candidates = candidatesOf();
    const addresses = ['198.51.100.1:1', '198.51.100.2:1', '203.0.113.1:1', '192.0.2.1:1', '192.0.2.2:1'];
    for (const address of addresses) candidates.add(at(0), peer(address), 'tracker');
    for (let i = 0; i < 5; i++) candidates.next(at(0));
    candidates.onClosed(at(0), peer('192.0.2.2:1'), true);
    candidates.onFailed(at(0), peer('192.0.2.1:1'));
    candidates.onClosed(at(0), peer('203.0.113.1:1'), false);
    candidates.onClosed(at(0), peer('198.51.100.1:1'), false);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => nextKey(candidates, 100_000)),
      ['192.0.2.2:1', '203.0.113.1:1', '192.0.2.1:1', '198.51.100.1:1', undefined],
    );
  });

  it('takes turns among sources, whatever one of them floods, and puts an address to any that told of it', () => {
    const sources = ['tracker', 'dht', 'pex', 'lsd'] as const;
    const flood = fc.record({
      by: fc.uniqueArray(fc.constantFrom(...sources), { minLength: 1, maxLength: 3 }),
      count: fc.integer({ min: 1, max: 300 }),
      before: fc.nat(50),
      knowsGood: fc.boolean(),
    });
    fc.assert(
      fc.property(flood, fc.integer(), ({ by, count, before, knowsGood }, seed) => {
        const candidates = candidatesOf(seed);
        const tell = (address: PeerAddress): void => {
          for (const source of by) candidates.add(at(0), address, source);
        };
        const good = peer('192.0.2.1:6881');
        if (knowsGood) tell(good);
        for (let i = 0; i < count; i++) tell(peer(`10.${i >> 8}.${i & 255}.1:1`));
        const honest = sources.find((source) => !by.includes(source));
        assert.ok(honest !== undefined);
        for (let i = 0; i < before; i++) {
          const taken = candidates.next(at(0));
          if (taken !== undefined && addressKey(taken.address) === addressKey(good)) return;
        }
        candidates.add(at(0), good, honest);
        const next = Array.from({ length: by.length + 1 }, () => nextKey(candidates, 0));
        assert.ok(next.includes(addressKey(good)), `${next}`);
      }),
    );
  });

  it('tries a network of its own before it tries another’s second address', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 250 }), fc.integer(), (count, seed) => {
        const candidates = candidatesOf(seed);
        for (let i = 0; i < count; i++) candidates.add(at(0), peer(`198.51.100.${i}:1`), 'tracker');
        candidates.add(at(0), peer('192.0.2.1:6881'), 'tracker');
        assert.ok([nextKey(candidates, 0), nextKey(candidates, 0)].includes('192.0.2.1:6881'));
      }),
    );
  });

  it('prefers of otherwise equal addresses what several sources tell, and forgets it last', () => {
    const candidates = candidatesOf();
    const told = peer('10.0.7.1:1');
    for (let i = 0; i < 50; i++) candidates.add(at(0), peer(`10.0.${i}.1:1`), 'tracker');
    candidates.add(at(0), told, 'dht');
    for (let i = 0; i < 5_000; i++)
      candidates.add(at(0), peer(`10.${1 + (i >> 8)}.${i & 255}.1:1`), 'tracker');
    assert.equal(nextKey(candidates, 0), addressKey(told));
  });

  it('says how many are due', () => {
    const candidates = candidatesOf();
    for (let i = 0; i < 5; i++) candidates.add(at(0), peer(`192.0.2.${i}:1`), 'tracker');
    candidates.next(at(0));
    candidates.onFailed(at(0), peer(nextKey(candidates, 0) ?? ''));
    assert.equal(candidates.dueCount(at(0)), 3);
    assert.equal(candidates.dueCount(at(20_000)), 4);
  });

  it('draws among equals', () => {
    const firsts = new Set<string | undefined>();
    for (let seed = 0; seed < 100; seed++) {
      const candidates = candidatesOf(seed);
      for (const address of ['192.0.2.1:1', '192.0.2.2:1', '192.0.2.3:1']) {
        candidates.add(at(0), peer(address), 'dht');
      }
      firsts.add(nextKey(candidates, 0));
    }
    assert.equal(firsts.size, 3);
  });

  it('remembers a useful peer that came to us', () => {
    const candidates = candidatesOf();
    candidates.onClosed(at(0), peer('192.0.2.1:6881'), false);
    assert.equal(candidates.size, 0);
    candidates.onClosed(at(0), peer('192.0.2.1:6881'), true);
    assert.equal(candidates.size, 1);
  });

  it('does not offer an address that is connected already', () => {
    const candidates = candidatesOf();
    candidates.add(at(0), peer('192.0.2.1:6881'), 'pex');
    candidates.onConnected(at(0), peer('192.0.2.1:6881'));
    assert.equal(candidates.next(at(1e9)), undefined);
  });

  it('keeps a flood from one source to half, and from one network to an eighth', () => {
    const candidates = candidatesOf();
    for (let i = 0; i < 500; i++)
      candidates.add(at(0), peer(`10.1.${i % 250}.${1 + Math.floor(i / 250)}:1`), 'tracker');
    for (let i = 0; i < 20_000; i++) candidates.add(at(0), peer(`10.2.${i % 250}.1:${1 + i}`), 'pex');
    assert.equal(candidates.size, 1_500);
    const small = candidatesOf();
    for (let i = 1; i < 5_000; i++) small.add(at(0), peer(`192.0.2.1:${i}`), 'dht');
    assert.equal(small.size, 256);
    assert.equal(small.add(at(0), peer('192.0.2.1:6881'), 'user'), true, 'the user is not refused');
  });

  it('holds 2,000, whoever floods, and takes the room for others from the largest source', () => {
    const candidates = candidatesOf();
    const flood = (source: PeerSourceName, network: number, count: number): void => {
      for (let i = 0; i < count; i++) {
        candidates.add(at(0), peer(`${network}.${i >> 8}.${i & 255}.1:1`), source);
      }
    };
    flood('pex', 20, 3_000);
    flood('dht', 30, 3_000);
    flood('tracker', 40, 600);
    flood('lsd', 50, 100);
    assert.equal(candidates.size, 2_000);
    const perSource = new Map<string, number>();
    for (let c = candidates.next(at(0)); c !== undefined; c = candidates.next(at(0))) {
      perSource.set(c.source, (perSource.get(c.source) ?? 0) + 1);
    }
    assert.equal(perSource.get('tracker'), 600);
    assert.equal(perSource.get('lsd'), 100);
  });

  it('bans the port of a liar, not those who share its address, until three of them lied', () => {
    const candidates = candidatesOf();
    for (const port of [1, 2, 3, 4]) candidates.add(at(0), peer(`192.0.2.1:${port}`), 'tracker');
    candidates.ban(peer('192.0.2.1:1'));
    candidates.ban(peer('192.0.2.1:1'));
    candidates.ban(peer('192.0.2.1:2'));
    assert.equal(candidates.bannedCount, 2);
    assert.equal(candidates.isBanned(peer('192.0.2.1:1')), true);
    assert.equal(candidates.isBanned(peer('192.0.2.1:3')), false);
    assert.equal(candidates.size, 2);
    candidates.ban(peer('192.0.2.1:9'));
    assert.equal(candidates.isBanned(peer('192.0.2.1:3')), true);
    assert.equal(candidates.isBanned(peer('192.0.2.2:3')), false);
    assert.equal(candidates.next(at(0)), undefined);
    assert.equal(candidates.add(at(0), peer('192.0.2.1:5'), 'tracker'), false);
  });

  it('counts the addresses of an IPv6 network as one liar’s, but never bans this machine as a whole', () => {
    const candidates = candidatesOf();
    for (const host of ['2001:db8::1', '2001:db8::2', '2001:db8::3']) candidates.ban({ host, port: 1 });
    assert.equal(candidates.isBanned({ host: '2001:db8::4', port: 5 }), true);
    for (const port of [1, 2, 3, 4]) candidates.ban({ host: '127.0.0.1', port });
    assert.equal(candidates.isBanned({ host: '127.0.0.1', port: 5 }), false);
  });

  it('forgets the oldest bans beyond 2,000', () => {
    const candidates = candidatesOf();
    for (let i = 0; i < 3_000; i++) candidates.ban(peer(`10.${i >> 8}.${i & 255}.1:1`));
    assert.equal(candidates.bannedCount, 2_000);
    assert.equal(candidates.isBanned(peer('10.0.0.1:1')), false);
    assert.equal(candidates.isBanned(peer('10.11.183.1:1')), true);
  });

  it('stays bounded, never offers what is out or banned or waiting, and is ready when it said', () => {
    const step = fc.record({
      do: fc.constantFrom('add', 'add', 'next', 'next', 'fail', 'close', 'connect', 'ban', 'advance'),
      host: fc.nat(20),
      port: fc.integer({ min: 1, max: 3 }),
      source: fc.constantFrom<PeerSourceName>('tracker', 'dht', 'pex', 'lsd', 'user', 'incoming'),
      useful: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), fc.integer(), (steps, seed) => {
        const candidates = candidatesOf(seed);
        const out = new Set<string>();
        const waiting = new Set<string>();
        let now = 0;
        for (const { do: what, host, port, source, useful } of steps) {
          const address = { host: `10.0.${host % 4}.${host}`, port };
          const key = addressKey(address);
          if (what === 'add') {
            const fresh = !out.has(key) && !waiting.has(key) && !candidates.isBanned(address);
            assert.equal(candidates.add(at(now), address, source), fresh);
            if (fresh) waiting.add(key);
          } else if (what === 'next') {
            const due = candidates.nextAt();
            const got = nextKey(candidates, now);
            assert.equal(got !== undefined, due !== undefined && due <= now);
            if (got === undefined) continue;
            assert.ok(waiting.delete(got));
            out.add(got);
          } else if (what === 'ban') {
            candidates.ban(address);
            for (const set of [out, waiting]) {
              for (const other of set) if (candidates.isBanned(peer(other))) set.delete(other);
            }
          } else if (what === 'advance') now += 20_000;
          else if (out.has(key)) {
            if (what === 'connect') candidates.onConnected(at(now), address);
            else {
              if (what === 'fail') candidates.onFailed(at(now), address);
              else candidates.onClosed(at(now), address, useful);
              out.delete(key);
              if (candidates.size > waiting.size) waiting.add(key);
            }
          }
          assert.equal(candidates.size, waiting.size);
        }
      }),
    );
  });
});
