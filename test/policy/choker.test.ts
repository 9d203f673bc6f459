import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Choker, type ChokerPeer } from '../../engine/policy/choker.js';
import { asMillis } from '../../engine/units.js';
import { seededRng } from './drawings.js';

const MIB = 1024 * 1024;
const at = asMillis;

function peerOf(id: number, fields: Partial<ChokerPeer> = {}): ChokerPeer {
  return {
    id,
    interested: true,
    snubbed: false,
    downloadRate: 0,
    uploadedBytes: 64 * MIB,
    downloadedBytes: 0,
    pieces: 0,
    idle: false,
    prefix: `10.0.${id}.`,
    ...fields,
  };
}
const peersOf = (count: number, fields: (id: number) => Partial<ChokerPeer> = () => ({})): ChokerPeer[] =>
  Array.from({ length: count }, (_, id) => peerOf(id, fields(id)));
const sorted = (ids: ReadonlySet<number>): number[] => [...ids].sort((a, b) => a - b);
const leeching = { seeding: false, uploadSlots: 4 };
const seeding = { seeding: true, uploadSlots: 3 };

describe('Choker, while downloading', () => {
  it('unchokes those who send the most, and one by chance', () => {
    const choker = new Choker(seededRng(1));
    const { unchoked, optimistic } = choker.rechoke(
      at(0),
      peersOf(10, (id) => ({ downloadRate: id })),
      leeching,
    );
    assert.equal(unchoked.size, 5);
    for (const id of [6, 7, 8, 9]) assert.ok(unchoked.has(id));
    assert.ok(optimistic < 6 && unchoked.has(optimistic));
  });

  it('takes the slot from a snubbed peer, however much it sent', () => {
    const choker = new Choker(seededRng(1));
    const peers = peersOf(6, (id) => ({ downloadRate: id, snubbed: id === 5 }));
    const { unchoked, optimistic } = choker.rechoke(at(0), peers, leeching);
    for (const id of [1, 2, 3, 4]) assert.ok(unchoked.has(id));
    assert.ok(optimistic === 0 || optimistic === 5);
  });

  it('gives its only slot beside the one by chance to merit and to need in turn, a round each', () => {
    const choker = new Choker(seededRng(1));
    const peers = peersOf(8, (id) => ({
      downloadRate: id === 7 ? 40_000 : 0,
      downloadedBytes: 8 * MIB,
      pieces: id,
    }));
    const served = [0, 0];
    for (let round = 0; round < 40; round++) {
      const { unchoked, optimistic } = choker.rechoke(at(10_000 * round), peers, {
        seeding: false,
        uploadSlots: 1,
      });
      const [chosen = -1] = [...unchoked].filter((id) => id !== optimistic);
      served[chosen === 7 ? 0 : 1]!++;
    }
    assert.ok(served[0]! >= 15 && served[1]! >= 15, `${served}`);
  });

  it('gives the slots of who asks for nothing to who waits, as soon as the uplink is idle', () => {
    const choker = new Choker(seededRng(1));
    const peers = peersOf(3, () => ({ idle: true }));
    const first = choker.rechoke(at(0), peers, { seeding: false, uploadSlots: 2 });
    assert.deepEqual(sorted(first.unchoked), [0, 1, 2]);
    const waiting = [...peers, peerOf(3), peerOf(4)];
    const between = choker.rechoke(at(1_000), waiting, { seeding: false, uploadSlots: 2 });
    assert.deepEqual(sorted(between.unchoked), [0, 1, 2], 'nobody loses a slot in between');
    const idle = { seeding: false, uploadSlots: 2, uplinkIdle: true };
    const { unchoked } = choker.rechoke(at(2_000), waiting, idle);
    assert.ok(unchoked.has(3) && unchoked.has(4));
    assert.equal(unchoked.size, 3, 'and the third slot stays where it is');
  });

  it('leaves the slots with who asks, idle uplink or not, and with all when nobody waits', () => {
    const choker = new Choker(seededRng(1));
    const peers = peersOf(3, (id) => ({ idle: id > 0 }));
    const idle = { seeding: false, uploadSlots: 2, uplinkIdle: true };
    choker.rechoke(at(0), peers, { seeding: false, uploadSlots: 2 });
    assert.deepEqual(sorted(choker.rechoke(at(1_000), peers, idle).unchoked), [0, 1, 2]);
    const { unchoked } = choker.rechoke(at(2_000), [...peers, peerOf(3), peerOf(4)], idle);
    assert.deepEqual(sorted(unchoked), [0, 3, 4]);
  });

  it('takes for needy all who have about as little as the poorest, and draws lots', () => {
    const chosen = new Set<number>();
    for (let seed = 1; seed <= 60; seed++) {
      const peers = peersOf(12, (id) => ({ uploadedBytes: 0, pieces: id < 6 ? 100 + (id % 3) : 200 }));
      const { unchoked, optimistic } = new Choker(seededRng(seed)).rechoke(at(0), peers, {
        seeding: false,
        uploadSlots: 1,
      });
      for (const id of unchoked) if (id !== optimistic) chosen.add(id);
    }
    assert.deepEqual(sorted(chosen), [0, 1, 2, 3, 4, 5]);
  });

  it('unchokes better peers that are not interested beside those that are', () => {
    const choker = new Choker(seededRng(1));
    const peers = peersOf(8, (id) => ({ downloadRate: 10 - id, interested: id % 2 === 1 }));
    peers.push(peerOf(8, { interested: false }));
    const { unchoked } = choker.rechoke(at(0), peers, { seeding: false, uploadSlots: 2 });
    for (const id of [0, 1, 2, 3]) assert.ok(unchoked.has(id));
    assert.ok(!unchoked.has(4) && !unchoked.has(6), 'worse than the worst downloader');
    assert.ok(!unchoked.has(8), 'sends nothing');
  });

  const onCredit = { uploadedBytes: 0 };

  it('gives half of the slots to those who have the least of a half drawn by lot, on credit', () => {
    const peers = peersOf(30, (id) => ({ ...onCredit, downloadRate: id, pieces: 10 + id }));
    const context = { seeding: false, uploadSlots: 8 };
    const times = new Array<number>(30).fill(0);
    for (let seed = 0; seed < 400; seed++) {
      const { unchoked, optimistic } = new Choker(seededRng(seed)).rechoke(at(0), peers, context);
      for (const id of [26, 27, 28, 29]) assert.ok(unchoked.has(id), 'the best by merit');
      for (const id of unchoked) if (id < 26 && id !== optimistic) times[id]!++;
    }
    assert.equal(
      times.slice(17).filter((count) => count > 0).length,
      0,
      'nobody that half of them is poorer than',
    );
    // Each of the four poorest is drawn every other time.
    for (const count of times.slice(0, 4)) assert.ok(count > 150 && count < 250, `${times}`);
  });

  it('gives slots by need to nobody who takes 16 times what it gives, whatever it says it has', () => {
    const choker = new Choker(seededRng(1));
    const taker = { uploadedBytes: 40 * MIB, downloadedBytes: 2 * MIB, pieces: 0 };
    const giver = { uploadedBytes: 30 * MIB, downloadedBytes: 2 * MIB, pieces: 5 };
    const peers = peersOf(30, (id) => ({
      downloadRate: id < 10 ? 0 : id,
      pieces: 100,
      ...(id < 5 ? taker : {}),
      ...(id === 5 ? giver : {}),
    }));
    const { unchoked, optimistic } = choker.rechoke(at(0), peers, { seeding: false, uploadSlots: 8 });
    const chosen = sorted(unchoked).filter((id) => id !== optimistic);
    assert.deepEqual(chosen, [5, 23, 24, 25, 26, 27, 28, 29], 'what nobody deserves goes by merit');
  });

  it('draws nobody who took much and gave nothing, while others wait', () => {
    const choker = new Choker(seededRng(1));
    const peers = peersOf(12, (id) => (id < 6 ? { uploadedBytes: MIB } : onCredit));
    for (let round = 0; round < 30; round++) {
      const { optimistic } = choker.rechoke(at(round * 30_000), peers, { seeding: false, uploadSlots: 1 });
      assert.ok(optimistic >= 6, `${optimistic}`);
    }
    assert.equal(
      choker.rechoke(at(900_000), peers.slice(0, 2), { seeding: false, uploadSlots: 1 }).unchoked.size,
      2,
    );
  });

  it('leaves slots by need alone between rounds', () => {
    const choker = new Choker(seededRng(1));
    const context = { seeding: false, uploadSlots: 8 };
    const peers = peersOf(30, (id) => ({ ...onCredit, downloadRate: id, pieces: 10 + id }));
    const before = choker.rechoke(at(0), peers, context);
    const later = peers.map((peer) => ({ ...peer, uploadedBytes: 64 * MIB, pieces: 40 - peer.id }));
    assert.deepEqual(choker.rechoke(at(5_000), later, context), before);
    const { unchoked, optimistic } = choker.rechoke(at(10_000), later, context);
    assert.ok([0, 1].every((id) => id === optimistic || !unchoked.has(id)));
  });

  it('keeps slots between rounds, and fills free ones at once', () => {
    const choker = new Choker(seededRng(1));
    const before = choker.rechoke(
      at(0),
      peersOf(4, () => ({ downloadRate: 1 })),
      leeching,
    );
    assert.deepEqual(sorted(before.unchoked), [0, 1, 2, 3]);
    const peers = peersOf(10, (id) => ({
      downloadRate: id === 2 ? 0 : id < 4 ? 1 : 100,
      interested: id !== 2,
    }));
    const { unchoked } = choker.rechoke(at(5_000), peers, leeching);
    for (const id of [0, 1, 3]) assert.ok(unchoked.has(id), `${id}`);
    assert.equal(unchoked.size, 5);
    const { unchoked: next } = choker.rechoke(at(10_000), peers, leeching);
    assert.ok([...next].filter((id) => id >= 4).length >= 4);
  });

  it('moves the slot of chance on every 30 s, and lets everybody have it', () => {
    const choker = new Choker(seededRng(3));
    const peers = peersOf(10, (id) => ({ downloadRate: id < 4 ? 100 : 0 }));
    const seen = new Set<number>();
    let last = -1;
    for (let round = 0; round < 200; round++) {
      const { optimistic } = choker.rechoke(at(round * 10_000), peers, leeching);
      if (round % 3 === 0) assert.notEqual(optimistic, last);
      else assert.equal(optimistic, last);
      last = optimistic;
      seen.add(optimistic);
    }
    assert.deepEqual(sorted(seen), [4, 5, 6, 7, 8, 9]);
  });

  it('gives newcomers three times the chance', () => {
    let drawn = 0;
    for (let seed = 0; seed < 4_000; seed++) {
      const choker = new Choker(seededRng(seed));
      const context = { seeding: false, uploadSlots: 2 };
      const old = peersOf(3, (id) => ({ downloadRate: 3 - id }));
      choker.rechoke(at(0), old, context);
      // Peer 2 had the slot of chance, so 1, which had one by merit, and 3, which had none, are in the draw.
      const peers = [
        peerOf(0, { downloadRate: 10, prefix: 'a' }),
        peerOf(1, { prefix: 'b' }),
        peerOf(2, { prefix: 'c' }),
        peerOf(3, { prefix: 'd' }),
        peerOf(4, { downloadRate: 10, prefix: 'e' }),
      ];
      if (choker.rechoke(at(30_000), peers, context).optimistic === 3) drawn++;
    }
    assert.ok(drawn > 4_000 * 0.71 && drawn < 4_000 * 0.79, `${drawn}`);
  });

  it('gives a hundred addresses of one network the chance of one', () => {
    let honest = 0;
    for (let seed = 0; seed < 2_000; seed++) {
      const peers = peersOf(101, (id) => ({ prefix: id === 100 ? 'honest' : 'flood' }));
      const { optimistic } = new Choker(seededRng(seed)).rechoke(at(0), peers, {
        seeding: false,
        uploadSlots: 0,
      });
      if (optimistic === 100) honest++;
    }
    assert.ok(honest > 900 && honest < 1_100, `${honest}`);
  });
});

describe('Choker, while seeding', () => {
  /** Runs rounds in which each unchoked peer takes its rate; gives what each got. */
  function serve(rates: readonly number[], rounds: number, prefixes: (id: number) => string): number[] {
    const choker = new Choker(seededRng(7));
    const got = rates.map(() => 0);
    for (let round = 0; round < rounds; round++) {
      const peers = rates.map((_, id) => peerOf(id, { uploadedBytes: got[id]!, prefix: prefixes(id) }));
      const { unchoked } = choker.rechoke(at(round * 10_000), peers, seeding);
      assert.ok(unchoked.size <= 4);
      for (const id of unchoked) got[id]! += rates[id]! * 10;
    }
    return got;
  }

  it('serves everybody in turn: three greedy takers get no more than their turns', () => {
    const rates = Array.from({ length: 20 }, (_, id) => (id < 3 ? 5 * MIB : MIB));
    const got = serve(rates, 600, (id) => `10.0.${id}.`);
    assert.ok(Math.min(...got) > 0);
    const turns = (id: number): number => got[id]! / rates[id]!;
    for (let id = 0; id < 20; id++) assert.ok(turns(id) < 2 * turns(10) && turns(id) > turns(10) / 2);
  });

  it('gives one network a quarter of the slots while others wait, and all when nobody does', () => {
    const choker = new Choker(seededRng(1));
    const flood = peersOf(40, () => ({ prefix: 'flood' }));
    const others = [peerOf(50), peerOf(51), peerOf(52)];
    const { unchoked } = choker.rechoke(at(0), [...flood, ...others], seeding);
    assert.equal([...unchoked].filter((id) => id < 40).length, 1);
    assert.equal(new Choker(seededRng(1)).rechoke(at(0), flood, seeding).unchoked.size, 4);
  });

  it('gives no slot to who is not interested', () => {
    const { unchoked, optimistic } = new Choker(seededRng(1)).rechoke(
      at(0),
      peersOf(9, (id) => ({ interested: id === 3 })),
      seeding,
    );
    assert.deepEqual(sorted(unchoked), [3]);
    assert.equal(optimistic, -1);
  });

  it('lets a turn last while nobody waits', () => {
    const choker = new Choker(seededRng(1));
    for (let round = 0; round < 60; round++) {
      const peers = peersOf(4, () => ({ uploadedBytes: round * 100 * MIB }));
      assert.equal(choker.rechoke(at(round * 10_000), peers, seeding).unchoked.size, 4);
    }
  });

  it('ends a turn by bytes, though not in its first half minute', () => {
    const choker = new Choker(seededRng(1));
    const context = { seeding: true, uploadSlots: 0 };
    const uploaded = [0, 0];
    const round = (atMs: number): number => {
      const { unchoked } = choker.rechoke(
        at(atMs),
        peersOf(2, (id) => ({ uploadedBytes: uploaded[id]! })),
        context,
      );
      return [...unchoked][0]!;
    };
    const first = round(0);
    uploaded[first] = 100 * MIB;
    assert.equal(round(20_000), first);
    assert.equal(round(30_000), 1 - first);
    uploaded[1 - first] = 15 * MIB;
    assert.equal(round(60_000), 1 - first, 'its share is not used up');
    uploaded[1 - first] = 16 * MIB;
    assert.equal(round(70_000), first);
  });

  it('takes the slots at the next round from a crowd that takes nothing, though not from who waits for us', () => {
    const choker = new Choker(seededRng(1));
    const crowd = (idle: boolean) => peersOf(4, () => ({ idle, prefix: 'crowd' }));
    assert.equal(choker.rechoke(at(0), crowd(true), seeding).unchoked.size, 4);
    const honest = peersOf(8, (id) => ({ idle: id < 4, prefix: 'crowd' })).slice(4);
    const waiting = choker.rechoke(at(5_000), [...crowd(true), ...honest], seeding).unchoked;
    assert.deepEqual(sorted(waiting), [0, 1, 2, 3], 'between rounds nobody loses a slot');
    const served = choker.rechoke(at(10_000), [...crowd(true), ...honest], seeding).unchoked;
    assert.deepEqual(sorted(served), [4, 5, 6, 7]);
    const kept = choker.rechoke(at(20_000), [...crowd(true), ...honest], seeding).unchoked;
    assert.deepEqual(sorted(kept), [4, 5, 6, 7]);
  });

  it('ends a turn by time when the taker is slow', () => {
    const choker = new Choker(seededRng(1));
    const seen = new Set<number>();
    for (let round = 0; round < 40; round++) {
      for (const id of choker.rechoke(at(round * 10_000), peersOf(8), seeding).unchoked) seen.add(id);
    }
    assert.equal(seen.size, 8);
  });
});

describe('Choker', () => {
  it('never gives away more slots than there are, whoever comes and goes', () => {
    const peer = fc.record({
      id: fc.nat(30),
      interested: fc.boolean(),
      snubbed: fc.boolean(),
      downloadRate: fc.nat(1_000),
      uploadedBytes: fc.nat(100 * MIB),
      downloadedBytes: fc.nat(100 * MIB),
      pieces: fc.nat(100),
      idle: fc.boolean(),
      prefix: fc.constantFrom('a', 'b', 'c', 'd'),
    });
    const round = fc.record({
      peers: fc.uniqueArray(peer, { selector: (p) => p.id, maxLength: 25, size: 'max' }),
      afterMs: fc.nat(40_000),
      seeding: fc.boolean(),
      uploadSlots: fc.nat(6),
    });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 40, size: 'max' }), fc.integer(), (rounds, seed) => {
        const choker = new Choker(seededRng(seed));
        let now = 0;
        for (const { peers, afterMs, ...context } of rounds) {
          now += afterMs;
          const { unchoked, optimistic } = choker.rechoke(at(now), peers, context);
          const interested = peers.filter((p) => p.interested);
          const served = interested.filter((p) => unchoked.has(p.id));
          assert.ok(served.length <= context.uploadSlots + 1);
          assert.ok(unchoked.size <= 2 * context.uploadSlots + 1);
          for (const id of unchoked) assert.ok(peers.some((p) => p.id === id));
          if (context.seeding) {
            assert.equal(
              served.length,
              Math.min(interested.length, context.uploadSlots + 1),
              'no slot is idle',
            );
            assert.equal(unchoked.size, served.length);
            assert.equal(optimistic, -1);
          } else {
            if (optimistic < 0) assert.equal(served.length, interested.length, 'nobody waits');
            else assert.ok(served.some((p) => p.id === optimistic));
            const worthy = interested.filter((p) => !p.snubbed);
            assert.ok(served.length >= Math.min(worthy.length, context.uploadSlots + 1), 'no slot is idle');
          }
        }
      }),
    );
  });
});
