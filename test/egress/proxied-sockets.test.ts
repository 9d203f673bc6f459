/** A proxy that lies, hangs or leaves at any step: what goes through it fails, within its time, and leaves nothing open. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { proxiedBinding } from '../../engine/egress/proxied-sockets.js';
import { UNBOUND } from '../../engine/egress/socket-binding.js';
import { fetchTorrentUrl } from '../../engine/index.js';
import type { CloseReason } from '../../engine/ports.js';
import { PeerSocket, type SocketOwner } from '../../engine/wire/peer-socket.js';
import { CONNECTED, HostileProxy, METHOD, type Script } from '../support/hostile-proxy.js';

const http = (text: string): Uint8Array => Buffer.from(`HTTP/1.1 ${text}\r\n\r\n`);

const ATTACKS: Readonly<Record<string, Script>> = {
  'leaves at once': ['close'],
  'resets at once': ['reset'],
  'leaves after the methods': [METHOD, 'close'],
  'resets after the methods': [METHOD, 'reset'],
  'leaves within the answer': [METHOD, CONNECTED.subarray(0, 5), 'close'],
  'speaks HTTP': [http('400 Bad Request')],
  'says everything at once': [Buffer.concat([METHOD, CONNECTED])],
  'never ends its methods': ['endless'],
  'never ends its answer': [METHOD, 'endless'],
  'names an address of no kind': [METHOD, Uint8Array.of(5, 0, 0, 2)],
  'wants a password that was not offered': [Uint8Array.of(5, 2)],
};

/** What a peer's socket tells its owner. */
class Recorder implements SocketOwner {
  readonly told: string[] = [];
  readonly gone: Promise<CloseReason>;
  onGone: (reason: CloseReason) => void = () => {};

  constructor() {
    this.gone = new Promise((resolve) => {
      this.onGone = (reason) => {
        this.told.push('gone');
        resolve(reason);
      };
    });
  }

  onConnect(): void {
    this.told.push('connected');
  }

  onChunk(chunk: Uint8Array): void {
    this.told.push(Buffer.from(chunk).toString());
  }
}

function dial(proxy: HostileProxy): { owner: Recorder; socket: PeerSocket } {
  const owner = new Recorder();
  const way = { host: '127.0.0.1', port: proxy.port, credentials: undefined };
  const socket = PeerSocket.connect({ host: '192.0.2.9', port: 6881 }, owner, proxiedBinding(way, UNBOUND));
  return { owner, socket };
}

const fetchBy = (proxy: HostileProxy, signal = AbortSignal.timeout(5_000)) =>
  fetchTorrentUrl('http://web.example/x.torrent', signal, { proxy: `socks5://127.0.0.1:${proxy.port}` });

for (const [name, script] of Object.entries(ATTACKS))
  test(`fails, once, by a proxy that ${name}`, async (t) => {
    const proxy = await HostileProxy.start(t, script);
    const { owner } = dial(proxy);
    assert.match((await owner.gone).text, /proxy/);
    assert.deepEqual(owner.told, ['gone']);
    await assert.rejects(fetchBy(proxy), { name: 'SwarmError', message: /proxy/ });
    await proxy.left();
  });

test('hands the peer what came with the answer, after telling that it is connected', async (t) => {
  const first = Buffer.from('hello');
  const proxy = await HostileProxy.start(t, [METHOD, Buffer.concat([CONNECTED, first]), 'close']);
  const { owner, socket } = dial(proxy);
  owner.onConnect = () => {
    owner.told.push('connected');
    socket.socket.write('me');
  };
  assert.doesNotMatch((await owner.gone).text, /proxy/);
  assert.deepEqual(owner.told, ['connected', 'hello', 'gone']);
});

for (const rest of ['close', 'reset'] as const)
  test(`fails where the connection ends (${rest}) with the proxy's last word`, async (t) => {
    for (const last of [CONNECTED, Buffer.concat([CONNECTED, http('200 OK\r\nContent-Length: 9')])]) {
      const proxy = await HostileProxy.start(t, [METHOD, last, rest]);
      await assert.rejects(fetchBy(proxy), { name: 'SwarmError' });
      await proxy.left();
    }
  });

test('lets go of a proxy that never answers when nobody waits for it any more', async (t: TestContext) => {
  const proxy = await HostileProxy.start(t, [METHOD]);
  const given = new AbortController();
  const fetched = fetchBy(proxy, given.signal);
  await proxy.met();
  given.abort();
  await assert.rejects(fetched);
  const late = AbortSignal.timeout(5_000);
  await Promise.race([
    proxy.left(),
    new Promise((_, reject) => late.addEventListener('abort', () => reject(new Error('it is still open')))),
  ]);
});
