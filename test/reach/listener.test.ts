import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, test } from 'node:test';
import { SwarmError } from '../../engine/errors.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { handshakeBytes, identity, RawPeer, Recorder, Side } from '../wire/harness.js';

const OTHER = 'bb'.repeat(20);

describe('the listener', () => {
  test('serves many torrents on one port', async () => {
    const side = await new Side().listen();
    const other = new Recorder();
    side.listener.register(
      identity({ infoHash: OTHER, geometry: new TorrentGeometry(16_384, 3 * 16_384) }),
      (connection) => {
        side.connections.push(connection);
        connection.handler = other;
      },
    );
    const first = side.nextPeer();
    const a = await RawPeer.to(side.port);
    a.send(handshakeBytes(), Buffer.from([0, 0, 0, 1, 2]));
    await (await first).handler.called('interested');
    const b = await RawPeer.to(side.port);
    b.send(handshakeBytes({ infoHash: OTHER }), Buffer.from([0, 0, 0, 1, 14]));
    await other.called('bitfield');
    assert.deepEqual(other.calls[0], ['bitfield', 'e0', 3]);
    side.listener.unregister(OTHER);
    const late = await RawPeer.to(side.port);
    late.send(handshakeBytes({ infoHash: OTHER }));
    await late.gone;
    assert.equal(side.connections.length, 2);
    side.close();
  });

  test('closes a peer whose torrent is removed in the middle of its handshake', async () => {
    const side = await new Side().listen();
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes().subarray(0, 60));
    await raw.receive(68);
    side.listener.unregister('aa'.repeat(20));
    raw.send(handshakeBytes().subarray(60));
    await raw.gone;
    assert.equal(side.slots.used, 0);
    side.close();
  });

  test('closes a peer that was answered as a magnet when the torrent has begun meanwhile', async () => {
    const side = await new Side().listen();
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes().subarray(0, 60));
    await raw.receive(68);
    let taken = 0;
    side.listener.register(identity(), () => taken++);
    raw.send(handshakeBytes().subarray(60));
    await raw.gone;
    assert.deepEqual([taken, side.slots.used], [0, 0]);
    side.close();
  });

  test('closes at once what exceeds the limit of peers', async () => {
    const side = await new Side({ maxPeers: 2 }).listen();
    const peers = [side.nextPeer(), side.nextPeer()];
    const raws = [await RawPeer.to(side.port), await RawPeer.to(side.port)];
    for (const raw of raws) raw.send(handshakeBytes());
    await Promise.all(peers);
    const third = await RawPeer.to(side.port);
    await third.gone;
    raws[0]?.end();
    const { handler } = await (peers[0] as (typeof peers)[number]);
    await handler.closed;
    const fourth = side.nextPeer();
    (await RawPeer.to(side.port)).send(handshakeBytes());
    await fourth;
    assert.equal(side.slots.used, 2);
    side.close();
  });

  test('lets one host have only so many handshakes under way: the oldest makes room for a new one', async () => {
    const side = await new Side().listen();
    const silent: RawPeer[] = [];
    for (let i = 0; i < 16; i++) silent.push(await RawPeer.to(side.port));
    const extra = await RawPeer.to(side.port);
    await silent[0]?.gone;
    for (const raw of [...silent.slice(1), extra]) {
      const accepted = side.nextPeer();
      raw.send(handshakeBytes());
      await accepted;
    }
    assert.equal(side.slots.used, 16);
    for (const raw of [...silent, extra]) raw.end();
    side.close();
  });

  test('gives the slots of peers to who has shaken hands only', async () => {
    const side = await new Side({ maxPeers: 2 }).listen();
    const silent = [await RawPeer.to(side.port), await RawPeer.to(side.port), await RawPeer.to(side.port)];
    assert.equal(side.slots.used, 0);
    const peers = [side.nextPeer(), side.nextPeer()];
    for (const raw of silent.slice(1)) raw.send(handshakeBytes());
    await Promise.all(peers);
    silent[0]?.send(handshakeBytes());
    await silent[0]?.gone;
    assert.equal(side.slots.used, 2);
    for (const { connection } of await Promise.all(peers)) connection.close('enough');
    assert.equal(side.slots.used, 0);
    side.close();
  });

  test('ends the handshakes that are under way when it is closed', async () => {
    const side = await new Side().listen();
    const raws = [await RawPeer.to(side.port), await RawPeer.to(side.port)];
    raws[0]?.send(handshakeBytes().subarray(0, 60));
    await raws[0]?.receive(68);
    side.close();
    for (const raw of raws) await raw.gone;
    assert.equal(side.slots.used, 0);
  });

  test('names the port that is taken, with a hint', async () => {
    const side = await new Side().listen();
    await assert.rejects(new Side().listener.listen(side.port, '127.0.0.1'), (error) => {
      assert.ok(error instanceof SwarmError);
      assert.equal(error.code, 'ADDRESS_UNAVAILABLE');
      assert.match(error.message, new RegExp(`127.0.0.1 port ${side.port}: another program`));
      assert.ok(error.hint);
      assert.deepEqual(error.details, { port: side.port, host: '127.0.0.1', errno: 'EADDRINUSE' });
      return true;
    });
    side.close();
  });

  test('names an address that this machine does not have', async () => {
    await assert.rejects(new Side().listener.listen(0, '192.0.2.1'), { code: 'ADDRESS_UNAVAILABLE' });
  });

  test('frees its port when it is closed', async () => {
    const side = await new Side().listen();
    side.close();
    const again = new Side();
    await new Promise(setImmediate);
    await again.listener.listen(side.port, '127.0.0.1');
    again.close();
  });

  test('takes IPv4 and IPv6 peers on one port, and shows plain addresses', async (t) => {
    const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
      all?.some(({ address }) => address === '::1'),
    );
    if (!hasIpv6) return t.skip('no IPv6 loopback here');
    const side = new Side();
    const hosts: string[] = [];
    side.listener.register(identity(), (connection) => {
      hosts.push(connection.remote.host);
      connection.close('seen');
    });
    const { port } = await side.listener.listen(0);
    for (const host of ['127.0.0.1', '::1']) {
      const socket = connect({ host, port });
      socket.on('error', () => {});
      socket.write(handshakeBytes());
      await once(socket, 'close');
    }
    assert.deepEqual(hosts, ['127.0.0.1', '::1']);
    side.close();
  });
});
