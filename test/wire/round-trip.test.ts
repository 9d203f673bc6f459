import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Bitfield } from '../../engine/policy/bitfield.js';
import type { PeerConnection } from '../../engine/ports.js';
import { asPiece } from '../../engine/units.js';
import { checksum, frame, identity, PIECES, type Recorder, Side } from './harness.js';

describe('two of our connections', () => {
  let a: Side;
  let b: Side;
  let out: { connection: PeerConnection; handler: Recorder };
  let inc: { connection: PeerConnection; handler: Recorder };

  beforeEach(async () => {
    b = await new Side().listen();
    a = new Side();
    const accepted = b.nextPeer();
    const dialed = await a.dial(b.port);
    assert.ok(!('kind' in dialed));
    out = dialed;
    inc = await accepted;
  });
  afterEach(() => {
    a.close();
    b.close();
  });

  test('know each other after the handshake', () => {
    assert.equal(out.connection.incoming, false);
    assert.equal(inc.connection.incoming, true);
    assert.deepEqual(out.connection.peerId, identity().peerId);
    assert.deepEqual(inc.connection.peerId, identity({ seed: 2 }).peerId);
    for (const { connection } of [out, inc]) {
      assert.equal(connection.fast, true);
      assert.equal(connection.extended, true);
      assert.equal(connection.remote.host, '127.0.0.1');
    }
  });

  test('exchange extended handshakes, then messages by name', async () => {
    await out.handler.called('extendedHandshake');
    await inc.handler.called('extendedHandshake');
    assert.deepEqual(inc.handler.calls[0]?.[1], {
      client: 'swarm test',
      listenPort: 6881,
      requestQueue: 250,
      yourIp: '127.0.0.1',
      extensions: new Set(['ut_pex', 'ut_metadata']),
    });
    out.connection.extendedMessage('ut_pex', Uint8Array.of(1, 2, 3));
    out.connection.metadata({ kind: 'request', piece: 7 });
    out.connection.extendedMessage('never_announced', Uint8Array.of(9));
    out.connection.interested();
    await inc.handler.called('interested');
    assert.deepEqual(inc.handler.calls.slice(1), [
      ['extended', 'ut_pex', '010203'],
      ['metadata', 'request', 7],
      ['interested'],
    ]);
  });

  test('tell each other that they want nothing more, and again that they do, with all that they said before', async () => {
    await inc.handler.called('extendedHandshake');
    out.connection.uploadOnly(true);
    out.connection.uploadOnly(false);
    await inc.handler.called('extendedHandshake', 3);
    const [first, on, off] = inc.handler.calls.map(([, handshake]) => handshake as object);
    assert.deepEqual(on, { ...first, uploadOnly: true });
    assert.deepEqual(off, { ...first, uploadOnly: false });
  });

  for (const [from, to] of [
    ['dialer', 'listener'],
    ['listener', 'dialer'],
  ] as const)
    test(`carry every message from ${from} to ${to}, in order`, async () => {
      const [sender, receiver] =
        from === 'dialer' ? [out.connection, inc.handler] : [inc.connection, out.handler];
      await receiver.called('extendedHandshake');
      receiver.calls.length = 0;
      const pieces = new Bitfield(PIECES);
      pieces.set(asPiece(0));
      pieces.set(asPiece(20));
      const block = new Uint8Array(40_000).map((_, i) => i * 7);
      let flushed = 0;
      sender.cork();
      sender.bitfield(pieces);
      sender.have(asPiece(3));
      sender.unchoke();
      sender.interested();
      sender.request(asPiece(20), 16_384, 16_384);
      sender.cancel(asPiece(20), 16_384, 16_384);
      sender.sendFrames(frame(7, [4, 32_768], block), () => flushed++);
      sender.reject(asPiece(1), 0, 16_384);
      assert.ok(sender.bufferedBytes > 40_000, 'corked bytes count as buffered');
      sender.uncork();
      sender.notInterested();
      sender.choke();
      await receiver.called('choke');
      assert.deepEqual(receiver.calls, [
        ['bitfield', '800008', 2],
        ['have', 3],
        ['unchoke'],
        ['interested'],
        ['request', 20, 16_384, 16_384],
        ['cancel', 20, 16_384, 16_384],
        ['block', 4, 32_768, 40_000, checksum(block)],
        ['reject', 1, 0, 16_384],
        ['notInterested'],
        ['choke'],
      ]);
      assert.equal(flushed, 1);
      assert.equal(sender.bufferedBytes, 0);
    });

  test('receive into one buffer that they share, without a copy', {
    skip: process.platform === 'win32',
  }, async () => {
    const buffers: ArrayBufferLike[] = [];
    for (const { handler } of [out, inc])
      handler.onBlock = (_piece, _begin, block) => {
        buffers.push(block.buffer);
        handler.onChoke();
      };
    for (const { connection } of [out, inc])
      connection.sendFrames(frame(7, [0, 0], new Uint8Array(100)), () => {});
    await Promise.all([out.handler.called('choke'), inc.handler.called('choke')]);
    assert.equal(buffers.length, 2);
    assert.equal(buffers[0], buffers[1]);
  });

  test('take a later bitfield and have-all, which aria2 sends in place of many haves', async () => {
    const some = new Bitfield(PIECES);
    some.set(asPiece(1));
    out.connection.have(asPiece(3));
    out.connection.bitfield(some);
    out.connection.bitfield(Bitfield.full(PIECES));
    await inc.handler.called('have', 2 + PIECES);
    const told = Array.from({ length: PIECES }, (_, piece) => ['have', piece]);
    assert.deepEqual(inc.handler.calls.slice(-2 - PIECES), [['have', 3], ['have', 1], ...told]);
  });

  test('take a bitfield for every piece, which aria2 sends where that is shorter than a have', async () => {
    const some = new Bitfield(PIECES);
    for (let piece = 0; piece < PIECES - 1; piece++) {
      some.set(asPiece(piece));
      out.connection.bitfield(some);
    }
    out.connection.interested();
    await inc.handler.called('interested');
    assert.equal(inc.handler.calls.at(-1)?.[0], 'interested');
    assert.equal(inc.handler.calls.findLast(([name]) => name === 'have')?.[1], PIECES - 2);
  });

  test('send have-all and have-none instead of full and empty bitfields', async () => {
    out.connection.bitfield(Bitfield.full(PIECES));
    inc.connection.bitfield(new Bitfield(PIECES));
    await inc.handler.called('bitfield');
    await out.handler.called('bitfield');
    assert.deepEqual(inc.handler.calls.at(-1), ['bitfield', 'fffff8', PIECES]);
    assert.deepEqual(out.handler.calls.at(-1), ['bitfield', '000000', 0]);
  });

  test('hear of a close once, as the last call, and sends after it do nothing', async () => {
    inc.connection.close('enough');
    assert.deepEqual(await inc.handler.closed, { kind: 'local', text: 'enough' });
    const { kind } = await out.handler.closed;
    assert.equal(kind, 'remote');
    let flushed = 0;
    for (const { connection } of [inc, out]) {
      connection.have(asPiece(1));
      connection.request(asPiece(1), 0, 16_384);
      connection.extendedMessage('ut_pex', Uint8Array.of(1));
      connection.choke();
      connection.unchoke();
      connection.bitfield(Bitfield.full(PIECES));
      await new Promise<void>((resolve) =>
        connection.sendFrames(frame(7, [0, 0], Uint8Array.of(1)), resolve),
      );
      flushed++;
      connection.close('again');
      assert.equal(connection.bufferedBytes, 0);
    }
    assert.equal(flushed, 2);
    for (const { handler } of [inc, out]) {
      assert.equal(handler.count('close'), 1);
      assert.equal(handler.calls.at(-1)?.[0], 'close');
    }
    assert.equal(a.slots.used + b.slots.used, 0);
  });
});
