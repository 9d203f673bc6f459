import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { PeerSocket } from '../../engine/wire/peer-socket.js';
import { SendQueues } from '../../engine/wire/send-queues.js';
import { until } from '../support/real-clients.js';

const NOBODY = { onConnect() {}, onChunk() {}, onGone() {} };
const MANY_BYTES = 32 * 1024 * 1024;

/** A connection to somebody who does not read; both ends' sockets. */
async function connected(t: TestContext, host: string): Promise<[PeerSocket, Socket]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ours = PeerSocket.connect({ host, port }, NOBODY);
  const [theirs] = (await once(server, 'connection')) as [Socket];
  if (ours.socket.connecting) await once(ours.socket, 'connect');
  t.after(() => {
    theirs.destroy();
    ours.destroy();
    server.close();
  });
  return [ours, theirs];
}

for (const host of ['127.0.0.1', '::1']) {
  test(`tells what ${host} has not acknowledged`, async (t) => {
    if (process.platform !== 'linux') return t.skip('only Linux tells');
    const queues = new SendQueues();
    let firsts = 0;
    queues.onFirst = () => firsts++;
    const full = await connected(t, host).catch(() => undefined);
    if (full === undefined) return t.skip(`no ${host} here`);
    const [idle] = await connected(t, host);
    queues.watch(full[0]);
    queues.watch(idle);
    assert.equal(firsts, 1);
    full[0].socket.write(Buffer.alloc(MANY_BYTES));
    await until('the receiver is full', async () => {
      const [first, second] = await queues.read();
      assert.equal(second?.unackedBytes, 0);
      assert.equal(second?.acceptedBytes, 0);
      return first !== undefined && first.unackedBytes > 0 && first.unackedBytes < first.acceptedBytes;
    });
    assert.ok(queues.acceptedBytes < MANY_BYTES, 'not what waits in this process');
  });
}

test('forgets a socket that has closed', async (t) => {
  const queues = new SendQueues();
  const [socket] = await connected(t, '127.0.0.1');
  queues.watch(socket);
  assert.equal(queues.isEmpty, false);
  const closed = once(socket.socket, 'close');
  socket.destroy();
  await closed;
  assert.equal(queues.isEmpty, true);
  assert.deepEqual(await queues.read(), []);
});
