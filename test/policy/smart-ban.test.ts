import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type SentBlock, SmartBan } from '../../engine/policy/smart-ban.js';
import { addressKey, asPiece, type PeerAddress } from '../../engine/units.js';

const HONEST = { host: '192.0.2.1', port: 1 };
const LIAR = { host: '192.0.2.9', port: 9 };
const good = (block: number): string => `good ${block}`;

/** One letter a block: `h` from the honest peer, `L` a lie, `l` a good block from the liar. */
const sent = (drawing: string): SentBlock[] =>
  [...drawing].map((letter, block) => ({
    block,
    address: letter === 'h' ? HONEST : LIAR,
    digest: letter === 'L' ? `lie ${block}` : good(block),
  }));
const keys = (addresses: readonly PeerAddress[]): string[] => addresses.map(addressKey).sort();

describe('SmartBan', () => {
  it('bans at once who sent every block of a corrupt piece', () => {
    const ban = new SmartBan();
    assert.deepEqual(ban.onCorrupt(asPiece(0), sent('LlLl')), [LIAR]);
    assert.equal(ban.remembers(asPiece(0)), false);
  });

  it('bans nobody on suspicion, and the proven liar alone once the piece is good', () => {
    const ban = new SmartBan();
    assert.deepEqual(ban.onCorrupt(asPiece(3), sent('hhLh')), []);
    assert.equal(ban.remembers(asPiece(3)), true);
    assert.deepEqual(ban.onVerified(asPiece(3), good), [LIAR]);
    assert.equal(ban.remembers(asPiece(3)), false);
    assert.deepEqual(ban.onVerified(asPiece(3), good), []);
  });

  it('does not blame the port of an honest peer behind the same address', () => {
    const ban = new SmartBan();
    const neighbour = { host: LIAR.host, port: 10 };
    const blocks = sent('Ll').concat({ block: 2, address: neighbour, digest: good(2) });
    assert.deepEqual(ban.onCorrupt(asPiece(0), blocks), []);
    assert.deepEqual(ban.onVerified(asPiece(0), good), [LIAR]);
  });

  it('finds colluders over several attempts, each with its own lies', () => {
    const ban = new SmartBan();
    const second = { host: '192.0.2.10', port: 9 };
    assert.deepEqual(ban.onCorrupt(asPiece(0), sent('hLhh')), []);
    const again: SentBlock[] = sent('hhhh');
    again[3] = { block: 3, address: second, digest: 'another lie' };
    assert.deepEqual(ban.onCorrupt(asPiece(0), again), []);
    assert.deepEqual(keys(ban.onVerified(asPiece(0), good)), keys([LIAR, second]));
  });

  it('forgets the oldest piece when it remembers too much, and never more of one piece than the bound', () => {
    const ban = new SmartBan(8);
    ban.onCorrupt(asPiece(0), sent('hLhh'));
    ban.onCorrupt(asPiece(1), sent('hLhh'));
    ban.onCorrupt(asPiece(2), sent('hLhh'));
    assert.deepEqual(
      [0, 1, 2].map((piece) => ban.remembers(asPiece(piece))),
      [false, true, true],
    );
    ban.onCorrupt(asPiece(4), sent('LLLhhhhhhhhhhhhhhhhhh'));
    assert.deepEqual(ban.onVerified(asPiece(4), good), [LIAR]);
    assert.equal(ban.remembers(asPiece(1)), false);
  });

  it('remembers a block that is sent again and again once', () => {
    const ban = new SmartBan(8);
    ban.onCorrupt(asPiece(0), sent('hLhh'));
    for (let i = 0; i < 10; i++) ban.onCorrupt(asPiece(1), sent('hLhh'));
    assert.equal(ban.remembers(asPiece(0)), true);
  });

  it('never bans an honest peer, and every liar of a remembered piece', () => {
    const sender = fc.nat(5);
    const attempt = fc.array(sender, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(attempt, { maxLength: 6, size: 'max' }),
        fc.nat(6),
        fc.integer(),
        (attempts, liarCount, salt) => {
          const ban = new SmartBan();
          const address = (id: number): PeerAddress => ({ host: '192.0.2.1', port: 1 + id });
          const isLiar = (id: number): boolean => id < liarCount;
          const banned = new Set<string>();
          const lied = new Set<string>();
          for (const [round, senders] of attempts.entries()) {
            const blocks = senders.map((id, block) => {
              const lies = isLiar(id) && (salt + round + block) % 2 === 0;
              return { block, address: address(id), digest: lies ? `lie ${id}` : good(block) };
            });
            if (blocks.every(({ digest, block }) => digest === good(block))) break;
            for (const { address: from, digest, block } of blocks) {
              if (digest !== good(block)) lied.add(addressKey(from));
            }
            for (const liar of ban.onCorrupt(asPiece(0), blocks)) banned.add(addressKey(liar));
          }
          for (const liar of ban.onVerified(asPiece(0), good)) banned.add(addressKey(liar));
          assert.deepEqual([...banned].sort(), [...lied].sort());
        },
      ),
    );
  });
});
