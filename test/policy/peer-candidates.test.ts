import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PeerCandidates } from '../../engine/policy/peer-candidates.js';
import { peerPriority } from '../../engine/policy/peer-priority.js';
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

  it('keeps to a teller’s network what its peers tell, and gives up none of another’s for it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 100, max: 600 }), (few, many) => {
        const candidates = candidatesOf();
        for (let i = 0; i < few; i++)
          candidates.add(at(0), peer(`11.0.${i}.1:1`), 'pex', peer('198.51.100.1:1'));
        for (let i = 0; i < many; i++)
          candidates.add(at(0), peer(`12.${i >> 8}.${i & 255}.1:1`), 'pex', peer(`192.0.2.${i & 255}:1`));
        assert.equal(candidates.size, few + 100);
      }),
    );
  });

  it('gives up what few told rather than what crowds of tellers flood, whatever the source', () => {
    const source = fc.constantFrom<PeerSourceName>('dht', 'pex', 'lsd');
    fc.assert(
      fc.property(source, fc.integer({ min: 1, max: 40 }), fc.integer(), (source, count, seed) => {
        const candidates = candidatesOf(seed);
        for (let i = 0; i < count; i++)
          candidates.add(at(0), peer(`11.${i}.3.4:6881`), source, peer('198.51.100.1:1'));
        for (let liar = 0; liar < 20; liar++)
          for (let i = 0; i < 100; i++)
            candidates.add(at(0), peer(`${20 + liar}.${i}.7.9:1`), source, peer(`66.${liar}.6.6:1`));
        const kept = new Set(Array.from({ length: 1_000 }, () => nextKey(candidates, 0)));
        for (let i = 0; i < count; i++) assert.ok(kept.has(`11.${i}.3.4:6881`), `${i} of ${count}`);
      }),
      { numRuns: 5 },
    );
  });

  it('takes turns among tellers, whatever one of them floods', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer(), (count, seed) => {
        const candidates = candidatesOf(seed);
        for (let i = 0; i < count; i++)
          candidates.add(at(0), peer(`12.0.${i}.1:1`), 'pex', peer('192.0.2.1:1'));
        candidates.add(at(0), peer('11.0.0.1:1'), 'pex', peer('198.51.100.1:1'));
        assert.ok([nextKey(candidates, 0), nextKey(candidates, 0)].includes('11.0.0.1:1'));
      }),
    );
  });

  it('believes what another source tells too, or a connection shows', () => {
    const candidates = candidatesOf();
    const teller = peer('192.0.2.1:1');
    for (let i = 0; i < 100; i++) candidates.add(at(0), peer(`12.0.${i}.1:1`), 'pex', teller);
    for (let i = 0; i < 50; i++) candidates.add(at(0), peer(`12.0.${i}.1:1`), 'tracker');
    for (let i = 50; i < 100; i++) candidates.onConnected(at(0), peer(`12.0.${i}.1:1`));
    for (let i = 100; i < 200; i++) candidates.add(at(0), peer(`12.0.${i}.1:1`), 'pex', teller);
    assert.equal(candidates.size, 150, 'none made room for another');
  });

  it('tries no more than a few that hearsay names in one network at once', () => {
    const candidates = candidatesOf();
    for (let i = 0; i < 50; i++) candidates.add(at(0), peer(`9.9.9.${i}:1`), 'pex', peer('192.0.2.1:1'));
    const first = Array.from({ length: 50 }, () => candidates.next(at(0))).filter(
      (each) => each !== undefined,
    );
    assert.equal(first.length, 8);
    assert.equal(candidates.dueCount(at(0)), 0);
    assert.equal(candidates.nextAt(), undefined);
    candidates.onConnected(at(0), first[0]!.address);
    candidates.onFailed(at(0), first[1]!.address);
    assert.ok(candidates.next(at(0)) && candidates.next(at(0)));
    assert.equal(candidates.next(at(0)), undefined);
  });

  it('tries hearsay of one host under a few ports only, but for this machine', () => {
    const candidates = candidatesOf();
    const teller = peer('192.0.2.1:1');
    for (let port = 1; port <= 50; port++) {
      candidates.add(at(0), { host: '9.9.9.9', port }, 'pex', teller);
      candidates.add(at(0), { host: '127.0.0.1', port }, 'pex', teller);
    }
    assert.equal(candidates.size, 54);
  });

  it('tries one host under eight ports at once, whoever names them but the user, and a /64 like a host', () => {
    const countOf = (source: PeerSourceName, hostOf: (i: number) => string): number => {
      const candidates = candidatesOf();
      for (let i = 1; i <= 50; i++) candidates.add(at(0), { host: hostOf(i), port: 1_000 + i }, source);
      const out = Array.from({ length: 50 }, () => candidates.next(at(0))).filter(
        (each) => each !== undefined,
      );
      const left = 50 - out.length;
      if (left === 0) return out.length;
      // Each that is decided makes room for one.
      candidates.onConnected(at(0), out[0]!.address);
      candidates.onFailed(at(0), out[1]!.address);
      candidates.onAborted(at(0), out[2]!.address);
      candidates.exclude(out[3]!.address);
      assert.equal(Array.from({ length: 50 }, () => candidates.next(at(0))).filter(Boolean).length, 4);
      assert.equal(candidates.nextAt(), undefined);
      return out.length;
    };
    assert.equal(
      countOf('tracker', () => '9.9.9.9'),
      8,
    );
    assert.equal(
      countOf('tracker', (i) => `2a00::${i.toString(16)}`),
      8,
    );
    assert.equal(
      countOf('tracker', (i) => `9.9.9.${i}`),
      50,
    );
    assert.equal(
      countOf('user', () => '9.9.9.9'),
      50,
    );
    assert.equal(
      countOf('tracker', () => '127.0.0.1'),
      50,
    );
  });

  it('waits longer with hearsay that failed', () => {
    const candidates = candidatesOf();
    candidates.add(at(0), peer('9.9.9.9:1'), 'pex', peer('192.0.2.1:1'));
    let now = 0;
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      assert.equal(nextKey(candidates, now), '9.9.9.9:1');
      candidates.onFailed(at(now), peer('9.9.9.9:1'));
      const due = candidates.nextAt() ?? 0;
      waits.push(due - now);
      now = due;
    }
    for (const [i, least] of [15_000, 120_000, 960_000, 1_800_000, 1_800_000].entries())
      assert.ok((waits[i] ?? 0) >= least && (waits[i] ?? 0) <= 1.3 * least, `${waits}`);
  });

  it('gives up none that was connected for others that never were', () => {
    const candidates = candidatesOf();
    for (let i = 0; i < 20; i++) {
      candidates.add(at(0), peer(`11.0.${i}.1:1`), 'tracker');
      candidates.onConnected(at(0), peer(`11.0.${i}.1:1`));
      candidates.onClosed(at(0), peer(`11.0.${i}.1:1`), false);
    }
    for (let i = 0; i < 3_000; i++) candidates.add(at(0), peer(`12.${i >> 8}.${i & 255}.1:1`), 'tracker');
    const taken = new Set(Array.from({ length: 1_000 }, () => nextKey(candidates, 1_000_000)));
    for (let i = 0; i < 20; i++) assert.ok(taken.has(`11.0.${i}.1:1`), `${i}`);
  });

  it('never hands out an address of our own', () => {
    const candidates = candidatesOf();
    candidates.add(at(0), peer('192.0.2.1:1'), 'tracker');
    candidates.exclude(peer('192.0.2.1:1'));
    assert.equal(candidates.size, 0);
    assert.equal(candidates.add(at(0), peer('192.0.2.1:1'), 'user'), false);
    candidates.add(at(0), peer('192.0.2.1:2'), 'tracker');
    candidates.setOurAddress(peer('192.0.2.1:2'));
    assert.equal(candidates.size, 0);
  });

  it('prefers of equals whom BEP 40 prefers, once it knows our address', () => {
    const addresses = Array.from({ length: 20 }, (_, i) => peer(`98.${i}.54.32:1`));
    const ours = peer('123.213.32.10:6881');
    for (let seed = 0; seed < 10; seed++) {
      const candidates = candidatesOf(seed);
      for (const address of addresses) candidates.add(at(0), address, 'tracker');
      candidates.setOurAddress(ours);
      const byPriority = addresses.toSorted(
        (a, b) => (peerPriority(ours, b) ?? 0) - (peerPriority(ours, a) ?? 0),
      );
      assert.deepEqual(
        addresses.map(() => nextKey(candidates, 0)),
        byPriority.map(addressKey),
      );
    }
  });

  it('counts right whatever happens to what it was told', () => {
    const event = fc.record({
      what: fc.constantFrom(
        'add',
        'tell',
        'next',
        'connected',
        'failed',
        'closed',
        'useful',
        'ban',
        'exclude',
      ),
      n: fc.nat(30),
      teller: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), fc.integer(), (events, seed) => {
        const candidates = candidatesOf(seed);
        const address = (n: number): PeerAddress => ({ host: `9.9.${n % 3}.${n}`, port: 1 });
        let now = 0;
        for (const { what, n, teller } of events) {
          now += 10_000;
          if (what === 'add') candidates.add(at(now), address(n), 'tracker');
          else if (what === 'tell') candidates.add(at(now), address(n), 'pex', peer(`8.8.${teller}.1:1`));
          else if (what === 'next') candidates.next(at(now));
          else if (what === 'connected') candidates.onConnected(at(now), address(n));
          else if (what === 'failed') candidates.onFailed(at(now), address(n));
          else if (what === 'closed') candidates.onClosed(at(now), address(n), false);
          else if (what === 'useful') candidates.onClosed(at(now), address(n), true);
          else if (what === 'ban') candidates.ban(address(n));
          else candidates.exclude(address(n));
        }
        // All come back in the end, so nothing is blocked by what was counted and never given back.
        for (let n = 0; n <= 30; n++) candidates.onClosed(at(now), address(n), false);
        now += 10_000_000;
        let handedOut = 0;
        const waiting = candidates.size;
        for (
          let candidate = candidates.next(at(now));
          candidate !== undefined;
          candidate = candidates.next(at(now))
        ) {
          candidates.onConnected(at(now), candidate.address);
          handedOut++;
        }
        assert.equal(handedOut, waiting);
        assert.equal(candidates.size, 0);
      }),
    );
  });
});
