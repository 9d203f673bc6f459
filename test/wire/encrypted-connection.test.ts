/** Connections of ours in each mode of encryption, with each other and with peers made of bytes. */
import assert from 'node:assert/strict';

import { describe, test } from 'node:test';
import type { EncryptionMode } from '../../engine/options.js';
import { asPiece } from '../../engine/units.js';
import { checksum, frame, Side } from './harness.js';

const MODES: readonly EncryptionMode[] = ['off', 'prefer', 'require'];

describe('two of ours', () => {
  for (const dialer of MODES) {
    for (const listener of MODES) {
      const fits =
        dialer === listener ||
        (dialer !== 'require' && listener !== 'require') ||
        (dialer !== 'off' && listener !== 'off');
      const rc4 = fits && (dialer === 'require' || listener === 'require');
      test(`${dialer} dials ${listener}: ${fits ? (rc4 ? 'RC4' : 'plaintext payload') : 'no connection'}`, async (t) => {
        const b = await new Side({ encryption: listener }).listen();
        const a = new Side({ encryption: dialer });
        t.after(() => {
          a.close();
          b.close();
        });
        const accepted = b.nextPeer();
        const dialed = await a.dial(b.port);
        if (!fits) {
          assert.ok('kind' in dialed);
          assert.equal(a.slots.used + a.slots.halfOpen, 0);
          return;
        }
        assert.ok(!('kind' in dialed));
        const { connection, handler } = await accepted;
        for (const end of [dialed.connection, connection]) assert.equal(end.encrypted, rc4);
        const block = new Uint8Array(100_000).map((_, i) => i * 7);
        const sent = frame(7, [4, 16_384], block);
        const untouched = checksum(sent);
        for (const [from, to] of [
          [dialed.connection, handler],
          [connection, dialed.handler],
        ] as const) {
          from.interested();
          from.sendFrames(sent, () => {});
          from.have(asPiece(3));
          from.sendFrames(sent, () => {});
          from.unchoke();
          await to.called('unchoke');
          const told = to.calls.filter(([name]) => name !== 'extendedHandshake');
          const piece = ['block', 4, 16_384, block.length, checksum(block)];
          assert.deepEqual(told, [['interested'], piece, ['have', 3], piece, ['unchoke']]);
        }
        assert.equal(checksum(sent), untouched, 'frames belong to others too');
      });
    }
  }
});
