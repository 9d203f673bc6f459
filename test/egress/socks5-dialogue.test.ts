import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Socks5Dialogue } from '../../engine/egress/socks5-dialogue.js';

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const CONNECTED = [5, 0, 0, 1, 11, 1, 0, 2, 0x1a, 0xe1];
const USER = { username: 'me', password: 'secret' };

function connected(dialogue: Socks5Dialogue): Uint8Array | undefined {
  dialogue.take(bytes(5, 0));
  return dialogue.take(bytes(...CONNECTED)).rest;
}

test('asks for an IPv4 address, an IPv6 address and a name as each is written', () => {
  const requestFor = (host: string) => [...new Socks5Dialogue(host, 6881).take(bytes(5, 0)).send!];
  assert.deepEqual(requestFor('11.1.0.2'), [5, 1, 0, 1, 11, 1, 0, 2, 0x1a, 0xe1]);
  const ipv6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a];
  assert.deepEqual(requestFor('2001:db8::2a'), [5, 1, 0, 4, ...ipv6, 0x1a, 0xe1]);
  assert.deepEqual(requestFor('::ffff:1.2.3.4'), [5, 1, 0, 1, 1, 2, 3, 4, 0x1a, 0xe1]);
  assert.deepEqual(requestFor('a.example'), [5, 1, 0, 3, 9, ...Buffer.from('a.example'), 0x1a, 0xe1]);
});

test('refuses what is no address for a proxy', () => {
  for (const host of ['', 'fe80::1%eth0', 'a'.repeat(256)])
    assert.throws(() => new Socks5Dialogue(host, 1), { code: 'ADDRESS_UNAVAILABLE' }, host);
});

test('offers user name and password only where there are some, and gives them only when asked', () => {
  assert.deepEqual([...new Socks5Dialogue('1.2.3.4', 1).greeting], [5, 1, 0]);
  const dialogue = new Socks5Dialogue('1.2.3.4', 1, USER);
  assert.deepEqual([...dialogue.greeting], [5, 2, 0, 2]);
  const said = dialogue.take(bytes(5, 2)).send!;
  assert.deepEqual([...said], [1, 2, ...Buffer.from('me'), 6, ...Buffer.from('secret')]);
  assert.equal(dialogue.take(bytes(1, 0)).send?.[1], 1);
  assert.deepEqual(
    [...new Socks5Dialogue('1.2.3.4', 1, USER).take(bytes(5, 0)).send!].slice(0, 3),
    [5, 1, 0],
  );
});

test('says user names and passwords of up to 255 bytes, and refuses longer ones', () => {
  const said = (username: string, password: string) => {
    const dialogue = new Socks5Dialogue('1.2.3.4', 1, { username, password });
    return dialogue.take(bytes(5, 2)).send!;
  };
  assert.deepEqual([...said('', '')], [1, 0, 0]);
  const longest = 'ä'.repeat(127);
  assert.deepEqual([said(longest, longest)[1], said(longest, longest).length], [254, 3 + 2 * 254]);
  const tooLong = { username: 'a'.repeat(256), password: '' };
  assert.throws(() => new Socks5Dialogue('1.2.3.4', 1, tooLong), { code: 'USAGE_INVALID_OPTION' });
});

test('asks for a name of 255 bytes, and takes an answer that names one', () => {
  const name = 'a'.repeat(255);
  const dialogue = new Socks5Dialogue(name, 6881);
  assert.equal(dialogue.take(bytes(5, 0)).send?.length, 7 + 255);
  const answer = Buffer.concat([bytes(5, 0, 0, 3, 255), Buffer.from(name), bytes(0, 0, 9)]);
  for (const byte of answer.subarray(0, -2)) assert.deepEqual(dialogue.take(bytes(byte)), {});
  assert.deepEqual([...dialogue.take(answer.subarray(-2)).rest!], [9]);
});

test('hands on what came behind the answer, whichever kind of address that has', () => {
  const answers = [CONNECTED, [5, 0, 0, 4, ...Array(16).fill(0), 0, 0], [5, 0, 0, 3, 2, 97, 98, 0, 0]];
  for (const answer of answers) {
    const dialogue = new Socks5Dialogue('1.2.3.4', 1);
    dialogue.take(bytes(5, 0));
    assert.deepEqual([...(dialogue.take(bytes(...answer, 7, 8)).rest ?? [])], [7, 8]);
  }
});

test('names what the proxy refuses, never with the password', () => {
  const refusal = (credentials: typeof USER | undefined, ...answers: readonly (readonly number[])[]) => {
    const dialogue = new Socks5Dialogue('1.2.3.4', 1, credentials);
    try {
      for (const answer of answers) dialogue.take(bytes(...answer));
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail('nothing was refused');
  };
  assert.match(refusal(undefined, [5, 2]), /wants a user name and password/);
  assert.match(refusal(undefined, [5, 0xff]), /wants a user name/);
  assert.match(refusal(USER, [5, 0xff]), /takes no user name/);
  assert.doesNotMatch(refusal(USER, [5, 2], [1, 1]), /secret/);
  assert.match(refusal(undefined, [5, 0], [5, 5]), /refused/);
  assert.match(refusal(undefined, [5, 0], [5, 2]), /rules/);
  assert.match(refusal(undefined, [4, 0]), /does not speak SOCKS5/);
  assert.match(refusal(undefined, Array.from(Buffer.from('HTTP/1.1 400'))), /does not speak SOCKS5/);
  assert.match(refusal(undefined, [5, 0, 5, 0]), /out of turn/);
  assert.match(refusal(USER, [5, 2, 1, 0]), /out of turn/);
  assert.match(refusal(USER, [5, 2], [1, 0, 5, 0]), /out of turn/);
  assert.match(refusal(undefined, [5, 0], [5, 0, 0, 9]), /not SOCKS5/);
});

test('comes to the same however the answers are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 })),
      fc.uint8Array({ maxLength: 20 }),
      (cuts, behind) => {
        const dialogue = new Socks5Dialogue('1.2.3.4', 1);
        dialogue.take(bytes(5, 0));
        const all = Buffer.concat([bytes(...CONNECTED), behind]);
        const got: Uint8Array[] = [];
        let at = 0;
        for (const cut of [...cuts, all.length]) {
          const chunk = all.subarray(at, at + cut);
          at += chunk.length;
          if (got.length > 0) got.push(chunk);
          else {
            const { rest } = dialogue.take(chunk);
            if (rest !== undefined) got.push(rest);
          }
        }
        assert.deepEqual(Buffer.concat(got), Buffer.from(behind));
      },
    ),
  );
});

test('ends on anything that a proxy can say, within what an answer can have', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 }), (chunks) => {
      const dialogue = new Socks5Dialogue('1.2.3.4', 1, USER);
      try {
        for (const chunk of chunks) if (dialogue.take(chunk).rest !== undefined) return;
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ADDRESS_UNAVAILABLE');
      }
    }),
  );
  assert.deepEqual([...connected(new Socks5Dialogue('1.2.3.4', 1))!], []);
});
