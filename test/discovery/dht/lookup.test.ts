import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { Lookup } from '../../../engine/discovery/dht/lookup.js';
import { compareDistance, type NodeContact, randomIdBeside } from '../../../engine/discovery/dht/node-id.js';
import { makeSecureId } from '../../../engine/discovery/dht/secure-id.js';

const TARGET = Uint8Array.from({ length: 20 }, (_, at) => at * 7);
const OWN = randomIdBeside(TARGET, 0, randomBytes);
const FEW = { parallel: 3, maxQueries: 100 };

let hosts = 0;
const nodeAt = (bits: number, host = `127.0.${hosts >> 8}.${hosts++ & 255}`): NodeContact => ({
  id: randomIdBeside(TARGET, bits, randomBytes),
  host,
  port: 6881,
});
const begin = (contacts: readonly NodeContact[], limits = FEW): Lookup => {
  const lookup = new Lookup(TARGET, OWN, undefined, limits);
  lookup.add(contacts);
  return lookup;
};
const askAll = (lookup: Lookup): NodeContact[] => {
  const asked: NodeContact[] = [];
  for (let node = lookup.next(); node !== undefined; node = lookup.next()) asked.push(node);
  return asked;
};

describe('whom a lookup asks', () => {
  test('the closest first, three at a time', () => {
    const nodes = [nodeAt(1), nodeAt(5), nodeAt(3), nodeAt(9), nodeAt(7)];
    const lookup = begin(nodes);
    assert.deepEqual(askAll(lookup), [nodes[3], nodes[4], nodes[1]]);
    assert.equal(lookup.next(), undefined);
  });

  test('a slow one no longer holds its place, and its late answer still counts', () => {
    const nodes = [nodeAt(9), nodeAt(8), nodeAt(7), nodeAt(6)] as const;
    const lookup = begin(nodes);
    askAll(lookup);
    lookup.onSlow(nodes[0]);
    assert.deepEqual(askAll(lookup), [nodes[3]]);
    assert.equal(lookup.onAnswer(nodes[0], nodes[0].id, []), true);
    assert.equal(lookup.closest()[0], nodes[0]);
  });

  test('a closer one is asked at once, although others farther away have yet to answer', () => {
    const nodes = [nodeAt(3), nodeAt(2), nodeAt(1)] as const;
    const lookup = begin(nodes);
    assert.equal(askAll(lookup).length, 3);
    const closer = [nodeAt(10), nodeAt(11), nodeAt(12)];
    lookup.onAnswer(nodes[0], nodes[0].id, closer);
    assert.equal(askAll(lookup).length, 3);
  });

  test('nobody twice, not ourselves, and of a public network only the closest', () => {
    const lookup = new Lookup(TARGET, OWN, undefined, { parallel: 50, maxQueries: 100 });
    const near = nodeAt(20, '8.8.8.1');
    lookup.add([
      near,
      near,
      nodeAt(10, '8.8.8.2'),
      nodeAt(5, '8.8.9.2'),
      { id: OWN, host: '8.8.10.1', port: 1 },
    ]);
    const asked = askAll(lookup);
    assert.ok(asked.includes(near));
    assert.ok(!asked.some(({ host }) => host === '8.8.10.1'));
  });

  test('of one answer eight nodes are believed, and no local ones from outside', () => {
    const lookup = new Lookup(TARGET, OWN, undefined, { parallel: 50, maxQueries: 100 });
    const liar = nodeAt(1, '8.8.8.8');
    lookup.add([liar]);
    askAll(lookup);
    const private4 = [nodeAt(9, '192.168.1.1'), nodeAt(9, '127.0.0.1'), nodeAt(9, '0.0.0.0')];
    lookup.onAnswer(liar, liar.id, [
      ...private4,
      ...Array.from({ length: 30 }, (_, n) => nodeAt(9, `9.9.${n}.1`)),
    ]);
    assert.equal(askAll(lookup).length, 5);
  });

  test('no more than its limit, however many are named', () => {
    const lookup = begin([nodeAt(0)], { parallel: 8, maxQueries: 30 });
    let asked = 0;
    for (let depth = 1; !lookup.isDone; depth++) {
      const nodes = askAll(lookup);
      asked += nodes.length;
      for (const node of nodes)
        lookup.onAnswer(
          node,
          node.id,
          Array.from({ length: 8 }, () => nodeAt(Math.min(150, depth * 4))),
        );
    }
    assert.ok(asked <= 30);
  });

  test('whoever named four dead nodes and no live one is not believed further', () => {
    const lookup = begin([nodeAt(0)], { parallel: 1, maxQueries: 100 });
    const [liar] = askAll(lookup) as [NodeContact];
    lookup.onAnswer(
      liar,
      liar.id,
      Array.from({ length: 8 }, () => nodeAt(9)),
    );
    let dead = 0;
    for (let node = lookup.next(); node !== undefined; node = lookup.next()) {
      lookup.onDead(node);
      dead++;
    }
    assert.equal(dead, 4);
    assert.equal(lookup.isDone, true);
  });
});

describe('what comes of a lookup', () => {
  test('it ends when the eight closest have answered', () => {
    const nodes = Array.from({ length: 30 }, () => nodeAt(Math.floor(Math.random() * 20)));
    const lookup = begin(nodes, { parallel: 4, maxQueries: 100 });
    while (!lookup.isDone) for (const node of askAll(lookup)) lookup.onAnswer(node, node.id, []);
    const expected = [...nodes].sort((a, b) => compareDistance(TARGET, a.id, b.id)).slice(0, 8);
    assert.deepEqual(lookup.closest(), expected);
  });

  test('dead ones are replaced by those next', () => {
    const nodes = Array.from({ length: 20 }, (_, n) => nodeAt(20 - n));
    const lookup = begin(nodes, { parallel: 4, maxQueries: 100 });
    const isDead = (node: NodeContact): boolean => nodes.indexOf(node) % 2 === 0;
    while (!lookup.isDone)
      for (const node of askAll(lookup)) {
        if (isDead(node)) lookup.onDead(node);
        else lookup.onAnswer(node, node.id, []);
      }
    assert.deepEqual(lookup.closest(), nodes.filter((node) => !isDead(node)).slice(0, 8));
  });

  test('who answers as somebody else does not count', () => {
    const [node] = [nodeAt(9)] as const;
    const lookup = begin([node]);
    askAll(lookup);
    assert.equal(lookup.onAnswer(node, randomBytes(20), [nodeAt(12)]), false);
    assert.equal(lookup.isDone, true);
    assert.deepEqual(lookup.closest(), []);
  });

  test('beside made-up ids, those that belong to their addresses are in the result too', () => {
    const madeUp = Array.from({ length: 40 }, (_, n) => nodeAt(100, `9.9.${n}.1`));
    const proper = Array.from(
      { length: 20 },
      (_, n): NodeContact => ({
        id: makeSecureId(Uint8Array.from([8, 8, n, 1]), randomBytes),
        host: `8.8.${n}.1`,
        port: 1,
      }),
    );
    const lookup = begin([...madeUp, ...proper], { parallel: 8, maxQueries: 100 });
    while (!lookup.isDone) for (const node of askAll(lookup)) lookup.onAnswer(node, node.id, []);
    const result = lookup.closest();
    const closestProper = proper.sort((a, b) => compareDistance(TARGET, a.id, b.id)).slice(0, 8);
    assert.equal(result.length, 16);
    for (const node of closestProper) assert.ok(result.includes(node));
  });

  test('a crowded target widens it twice, and the crowd does not push out who is there beside it', () => {
    const size = 1_000;
    const crowd = Array.from({ length: 40 }, () => nodeAt(12));
    const beside = nodeAt(5);
    const outside = nodeAt(3);
    const resultWith = (nodes: readonly NodeContact[]): NodeContact[] => {
      const lookup = new Lookup(TARGET, OWN, size, { parallel: 8, maxQueries: 200 });
      lookup.add(nodes);
      while (!lookup.isDone) for (const node of askAll(lookup)) lookup.onAnswer(node, node.id, []);
      return lookup.closest();
    };
    const crowded = resultWith([...crowd, beside, outside]);
    assert.ok(crowded.includes(beside));
    assert.ok(!crowded.includes(outside));
    assert.ok(!resultWith([...crowd.slice(0, 12), beside]).includes(beside));
  });

  test('three that name closer nodes than they can know make it ask more of its own table, until those answer', () => {
    const friends = Array.from({ length: 8 }, () => nodeAt(40));
    const first = Array.from({ length: 6 }, () => nodeAt(10));
    const others = Array.from({ length: 34 }, () => nodeAt(1));
    /** How many of the other ways it took, of which the first ten are slow. */
    const waysWhen = (liars: number): number => {
      const lookup = new Lookup(TARGET, OWN, 1_000, { parallel: 8, maxQueries: 200 });
      lookup.add([...first, ...others]);
      let ways = 0;
      while (!lookup.isDone)
        for (const node of askAll(lookup)) {
          if (others.includes(node) && ways++ < 10) lookup.onSlow(node);
          else lookup.onAnswer(node, node.id, first.slice(0, liars).includes(node) ? friends : []);
        }
      return ways;
    };
    assert.equal(waysWhen(2), 10);
    // 24 that answer, of which six are those nearby.
    assert.equal(waysWhen(3), 28);
  });

  test('nodes that only a farther one names are asked too, when the closest have answered', () => {
    const near = Array.from({ length: 12 }, () => nodeAt(30));
    const way = nodeAt(1);
    const lookup = new Lookup(TARGET, OWN, 1_000, { parallel: 8, maxQueries: 200 });
    lookup.add([...near, way]);
    const others = [nodeAt(3), nodeAt(3), nodeAt(3)];
    const asked: NodeContact[] = [];
    while (!lookup.isDone)
      for (const node of askAll(lookup)) {
        asked.push(node);
        lookup.onAnswer(node, node.id, node === way ? others : []);
      }
    // Two, for one node named them all.
    assert.equal(asked.filter((node) => others.includes(node)).length, 2);
  });
});
