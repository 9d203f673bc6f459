import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { writeBencode } from '../../../engine/discovery/dht/bencode-writer.js';
import { encodeAddress, encodeNodes } from '../../../engine/discovery/dht/compact-nodes.js';
import {
  ERROR,
  type Query,
  readMessage,
  writeError,
  writeQuery,
  writeReply,
} from '../../../engine/discovery/dht/krpc.js';
import { type BencodeValue, decodeBencode } from '../../../engine/metainfo/bencode.js';

const OWN = Uint8Array.from({ length: 20 }, (_, at) => at);
const TARGET = Uint8Array.from({ length: 20 }, (_, at) => 100 + at);
const T = Uint8Array.from([1, 2, 3, 4]);
const TOKEN = Uint8Array.from([9, 8, 7]);

const read = (text: string) => readMessage(Buffer.from(text, 'latin1'), 4);
const id = 'abcdefghij0123456789';

describe('queries', () => {
  const queries: Query[] = [
    { method: 'ping' },
    { method: 'find_node', target: TARGET },
    { method: 'find_node', target: TARGET, want: [4, 6] },
    { method: 'get_peers', target: TARGET, noSeeds: false, scrape: true },
    { method: 'announce_peer', target: TARGET, token: TOKEN, port: 6881, impliedPort: false, seed: true },
    { method: 'announce_peer', target: TARGET, token: TOKEN, port: 6881, impliedPort: true, seed: false },
    { method: 'get', target: TARGET, sequence: 5n },
    { method: 'put', token: TOKEN, value: Buffer.from('5:hello') },
    {
      method: 'put',
      token: TOKEN,
      value: Buffer.from('d1:ai1ee'),
      signed: { publicKey: new Uint8Array(32), signature: new Uint8Array(64), sequence: 2n ** 62n },
      salt: Buffer.from('salt'),
      cas: 3n,
    },
    { method: 'sample_infohashes', target: TARGET, want: [6] },
  ];
  for (const query of queries) {
    test(`${query.method} is read as it was written`, () => {
      const message = readMessage(writeQuery(T, OWN, query, true), 4);
      assert.ok(message?.kind === 'query');
      assert.deepEqual(
        plain(message),
        plain({ kind: 'query', transaction: T, id: OWN, readOnly: true, query }),
      );
    });
  }

  test('the ping of BEP 5 is written byte by byte as there', () => {
    const bytes = writeQuery(Buffer.from('aa'), Buffer.from(id), { method: 'ping' }, false);
    assert.equal(Buffer.from(bytes).toString(), `d1:ad2:id20:${id}e1:q4:ping1:t2:aa1:y1:qe`);
  });

  test('an unknown method with a target is answered like find_node, without one by an error', () => {
    const known = read(`d1:ad2:id20:${id}6:target20:${id}e1:q4:vote1:t2:aa1:y1:qe`);
    assert.ok(known?.kind === 'query' && known.query.method === 'find_node');
    const unknown = read(`d1:ad2:id20:${id}e1:q4:vote1:t2:aa1:y1:qe`);
    assert.ok(unknown?.kind === 'bad-query' && unknown.code === ERROR.unknownMethod);
  });

  const wrong: Record<string, string> = {
    'find_node with an integer as target': `d1:ad2:id20:${id}6:targeti1ee1:q9:find_node1:t2:aa1:y1:qe`,
    'find_node with a list as target': `d1:ad2:id20:${id}6:targetlee1:q9:find_node1:t2:aa1:y1:qe`,
    'find_node with a target of 19 bytes': `d1:ad2:id20:${id}6:target19:abcdefghij012345678e1:q9:find_node1:t2:aa1:y1:qe`,
    'get_peers with an integer': `d1:ad2:id20:${id}9:info_hashi7ee1:q9:get_peers1:t2:aa1:y1:qe`,
    'get with an integer': `d1:ad2:id20:${id}6:targeti7ee1:q3:get1:t2:aa1:y1:qe`,
    'announce_peer with an integer as token': `d1:ad2:id20:${id}9:info_hash20:${id}4:porti1e5:tokeni1ee1:q13:announce_peer1:t2:aa1:y1:qe`,
    'announce_peer on port 0': `d1:ad2:id20:${id}9:info_hash20:${id}4:porti0e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe`,
    'announce_peer on port 65536': `d1:ad2:id20:${id}9:info_hash20:${id}4:porti65536e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe`,
    'a put with half a signature': `d1:ad2:id20:${id}1:k32:${id}abcdefghijkl3:seqi1e5:token1:x1:v1:xe1:q3:put1:t2:aa1:y1:qe`,
    'a dictionary as method': `d1:ad2:id20:${id}e1:qde1:t2:aa1:y1:qe`,
    'no arguments': 'd1:q4:ping1:t2:aa1:y1:qe',
    'an id of 21 bytes': `d1:ad2:id21:${id}xe1:q4:ping1:t2:aa1:y1:qe`,
  };
  for (const [what, text] of Object.entries(wrong))
    test(`${what} is a protocol error`, () => assert.equal(read(text)?.kind, 'bad-query'));

  const nothing: Record<string, string> = {
    'a negative length': 'd-3:',
    'a list that never ends': 'l-3:',
    'an empty datagram': '',
    'a dictionary as kind': `d1:ad2:id20:${id}e1:q4:ping1:t2:aa1:ydee`,
    'no transaction': `d1:ad2:id20:${id}e1:q4:ping1:y1:qe`,
    'an integer as transaction': `d1:ad2:id20:${id}e1:q4:ping1:ti1e1:y1:qe`,
    'a list': 'l1:ae',
    'bytes after the end': `d1:ad2:id20:${id}e1:q4:ping1:t2:aa1:y1:qex`,
    'a reply without a body': 'd1:t2:aa1:y1:re',
    'a reply whose id is an integer': 'd1:rd2:idi1ee1:t2:aa1:y1:re',
    'deep nesting': `d1:a${'l'.repeat(500)}${'e'.repeat(500)}1:t2:aa1:y1:qe`,
    'more than any packet': `d1:ad2:id20:${id}e1:q4:ping1:t2:aa1:y1:q1:z3000:${'x'.repeat(3000)}e`,
  };
  for (const [what, text] of Object.entries(nothing))
    test(`${what} is no message`, () => assert.equal(read(text), undefined));
});

describe('replies', () => {
  const contact = { id: TARGET, host: '9.8.7.6', port: 6881 };

  test('nodes, values, token and our address are read as they were written', () => {
    const body = {
      nodes: encodeNodes([contact], 4),
      nodes6: encodeNodes([{ ...contact, host: '2a00::1' }], 6),
      token: TOKEN,
      values: [encodeAddress('1.2.3.4', 80, 4), encodeAddress('2a00::2', 81, 6)],
    };
    const message = readMessage(writeReply(T, OWN, body, encodeAddress('5.6.7.8', 99, 4)), 4);
    assert.ok(message?.kind === 'reply');
    assert.deepEqual(message.seenAs, { host: '5.6.7.8', port: 99 });
    assert.deepEqual(plain(message.reply.nodes), plain([contact]));
    assert.deepEqual(plain(message.reply.nodes6), plain([{ ...contact, host: '2a00::1' }]));
    assert.deepEqual(message.reply.values, [
      { host: '1.2.3.4', port: 80 },
      { host: '2a00::2', port: 81 },
    ]);
    assert.deepEqual(plain(message.reply.token), plain(TOKEN));
  });

  test('nodes that nobody can be at are left out, and no more than 16 are taken', () => {
    const many = Array.from({ length: 40 }, (_, at) => ({ ...contact, host: `9.8.${at}.1` }));
    const odd = [
      { ...contact, host: '0.0.0.0' },
      { ...contact, host: '239.1.1.1' },
      { ...contact, port: 0 },
    ];
    const message = readMessage(writeReply(T, OWN, { nodes: encodeNodes([...odd, ...many], 4) }, TOKEN), 4);
    assert.ok(message?.kind === 'reply');
    assert.equal(message.reply.nodes.length, 16);
    assert.equal(message.reply.nodes[0]?.host, '9.8.0.1');
  });

  test('fields of the wrong kind are as good as missing', () => {
    const message = read(`d1:rd2:id20:${id}5:nodesi1e6:valuesd1:ai1ee5:tokenle1:vi3ee1:t2:aa1:y1:re`);
    assert.ok(message?.kind === 'reply');
    assert.deepEqual(message.reply.nodes, []);
    assert.deepEqual(message.reply.values, []);
    assert.equal(message.reply.token, undefined);
    assert.equal(Buffer.from(message.reply.value ?? '').toString(), 'i3e');
  });

  test('an error is read with bounded text', () => {
    const message = readMessage(writeError(T, 203, 'x'.repeat(1_000)), 4);
    assert.ok(message?.kind === 'error');
    assert.equal(message.code, 203);
    assert.equal(message.text.length, 100);
  });
});

describe('the writer', () => {
  const leaf: fc.Arbitrary<BencodeValue> = fc.oneof(
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n)),
    fc.uint8Array({ maxLength: 20 }),
  );
  const latin1 = fc.uint8Array({ maxLength: 6 }).map((key) => Buffer.from(key).toString('latin1'));
  const tree = (depth: number): fc.Arbitrary<BencodeValue> =>
    depth === 0
      ? leaf
      : fc.oneof(
          leaf,
          fc.array(tree(depth - 1), { maxLength: 4 }),
          fc.array(fc.tuple(latin1, tree(depth - 1)), { maxLength: 4 }).map((pairs) => new Map(pairs)),
        );

  test('whatever it writes, the decoder reads back', () => {
    fc.assert(
      fc.property(tree(3), (made) => {
        const bytes = writeBencode(made);
        assert.deepEqual(Buffer.from(writeBencode(decodeBencode(bytes))), Buffer.from(bytes));
      }),
    );
  });

  test('keys come out in the order of their bytes', () => {
    assert.equal(writeBencode({ b: 1, a: 2, B: 3 }).toString(), 'd1:Bi3e1:ai2e1:bi1ee');
  });
});

test('ten thousand mutations of every kind of message are read or dropped, and nothing else', () => {
  const bases = [
    writeQuery(T, OWN, { method: 'find_node', target: TARGET, want: [4, 6] }, false),
    writeQuery(
      T,
      OWN,
      { method: 'announce_peer', target: TARGET, token: TOKEN, port: 1, impliedPort: true, seed: true },
      true,
    ),
    writeQuery(
      T,
      OWN,
      {
        method: 'put',
        token: TOKEN,
        value: Buffer.from('l3:abce'),
        signed: { publicKey: randomBytes(32), signature: randomBytes(64), sequence: 1n },
      },
      false,
    ),
    writeReply(T, OWN, { nodes: randomBytes(52), values: [randomBytes(6)], token: TOKEN }, randomBytes(6)),
    writeError(T, 203, 'no'),
  ];
  for (let round = 0; round < 10_000; round++) {
    const bytes = Uint8Array.from(bases[round % bases.length] ?? []);
    for (let change = 0; change <= round % 4; change++) {
      const at = Math.floor(Math.random() * bytes.length);
      const pool = 'dlie:0123456789-';
      bytes[at] =
        round % 2 === 0
          ? Math.floor(Math.random() * 256)
          : pool.charCodeAt(Math.floor(Math.random() * pool.length));
    }
    const cut = round % 7 === 0 ? bytes.subarray(0, Math.floor(Math.random() * bytes.length)) : bytes;
    assert.doesNotThrow(() => readMessage(cut, round % 3 === 0 ? 6 : 4));
  }
});

/** Buffers and arrays of bytes alike. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === 'bigint') return `${item}n`;
      const bytes = item as { type?: string; data?: number[] } | undefined;
      if (bytes?.type === 'Buffer') return Buffer.from(bytes.data ?? []).toString('hex');
      return item instanceof Uint8Array ? Buffer.from(item).toString('hex') : item;
    }),
  );
