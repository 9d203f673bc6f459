import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatQuestion, parseAnswer } from '../../engine/discovery/dns-packets.js';

const QUESTION = formatQuestion(0x1234, 'tracker.example', 4)!;

interface Answer {
  readonly flags?: number;
  readonly question?: Uint8Array;
  readonly records?: readonly Buffer[];
}

function answerTo({ flags = 0x8180, question = QUESTION, records = [] }: Answer): Buffer {
  const packet = Buffer.concat([question, ...records]);
  packet.writeUInt16BE(flags, 2);
  packet.writeUInt16BE(records.length, 6);
  return packet;
}

function record(type: number, data: readonly number[], name: readonly number[] = [0xc0, 12]): Buffer {
  return Buffer.from([...name, 0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 255, ...data]);
}

test('reads every address, also behind an alias and under a name that is spelt out', () => {
  const alias = record(5, [3, 99, 100, 110, 0]);
  const records = [alias, record(1, [11, 1, 0, 2], [3, 99, 100, 110, 0]), record(1, [11, 1, 0, 3])];
  assert.deepEqual(parseAnswer(answerTo({ records }), QUESTION, 4), ['11.1.0.2', '11.1.0.3']);
  const question = formatQuestion(7, 'tracker.example', 6)!;
  const records6 = [record(28, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])];
  assert.deepEqual(parseAnswer(answerTo({ question, records: records6 }), question, 6), ['2001:db8::1']);
});

test('a name that does not exist has no addresses; a server that cannot say has not answered', () => {
  assert.deepEqual(parseAnswer(answerTo({ flags: 0x8183 }), QUESTION, 4), []);
  assert.equal(parseAnswer(answerTo({ flags: 0x8182 }), QUESTION, 4), 'useless');
});

test('a cut answer that names no address has not said that there is none', () => {
  assert.equal(parseAnswer(answerTo({ flags: 0x8380 }), QUESTION, 4), 'useless');
  const records = [record(1, [11, 1, 0, 2])];
  assert.deepEqual(parseAnswer(answerTo({ flags: 0x8380, records }), QUESTION, 4), ['11.1.0.2']);
});

test('follows no pointer, so that none can lead in circles or out of the packet', () => {
  for (const name of [
    [0xc0, 0],
    [0xff, 0xff],
    [3, 97, 98, 99, 0xc0, 33],
  ]) {
    const records = [record(1, [11, 1, 0, 2], name)];
    assert.deepEqual(parseAnswer(answerTo({ records }), QUESTION, 4), ['11.1.0.2']);
  }
  const endless = [Buffer.alloc(400, 0x3f)];
  assert.deepEqual(parseAnswer(answerTo({ records: endless }), QUESTION, 4), []);
});

test('drops what answers another question, or none', () => {
  const records = [record(1, [11, 1, 0, 2])];
  for (const question of [
    formatQuestion(0x1235, 'tracker.example', 4)!,
    formatQuestion(0x1234, 'tracker.exampl3', 4)!,
    formatQuestion(0x1234, 'tracker.example', 6)!,
  ])
    assert.equal(parseAnswer(answerTo({ question, records }), QUESTION, 4), undefined);
  assert.equal(parseAnswer(answerTo({ flags: 0x0100, records }), QUESTION, 4), undefined);
});

test('leaves out records of the wrong length or class', () => {
  const foreign = record(1, [11, 1, 0, 2]);
  foreign[5] = 3;
  const records = [record(1, [11, 1, 0]), foreign, record(1, [11, 1, 0, 9])];
  assert.deepEqual(parseAnswer(answerTo({ records }), QUESTION, 4), ['11.1.0.9']);
});

test('asks for nothing that is no name', () => {
  for (const name of ['', '.', 'a..b', `${'a'.repeat(64)}.example`, 'a b', 'ä.example', 'a.'.repeat(130)])
    assert.equal(formatQuestion(1, name, 4), undefined, name);
  assert.deepEqual(formatQuestion(1, 'a.example.', 4), formatQuestion(1, 'a.example', 4));
});

test('ends on any packet, with addresses or without', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, isAnswer) => {
      const packet = isAnswer ? Buffer.concat([answerTo({}), Buffer.from(bytes)]) : Buffer.from(bytes);
      if (isAnswer) packet.writeUInt16BE(0xffff, 6);
      const found = parseAnswer(packet, QUESTION, 4);
      assert.ok(!Array.isArray(found) || found.length <= 64);
    }),
  );
});
