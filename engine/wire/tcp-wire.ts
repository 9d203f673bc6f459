/** TCP wire: makes established peer connections out of addresses to dial and sockets that were accepted. */
import { isIP, type Socket } from 'node:net';
import type { CloseReason, HandshakeIdentity, PeerConnection } from '../ports.js';
import type { PeerAddress } from '../units.js';
import { Handshake } from './handshake.js';
import type { Heartbeat } from './heartbeat.js';
import { PeerSocket } from './peer-socket.js';
import type { SendQueues } from './send-queues.js';

/** A SYN is sent again after 1, 3 and 7 s; who has not accepted soon after is not there. */
const DEFAULT_CONNECT_MS = 10_000;

export class TcpWire {
  readonly #heartbeat: Heartbeat;
  readonly #sendQueues: SendQueues | undefined;

  /** @param sendQueues is to watch every socket */
  constructor(heartbeat: Heartbeat, sendQueues?: SendQueues) {
    this.#heartbeat = heartbeat;
    this.#sendQueues = sendQueues;
  }

  /**
   * Connects and shakes hands. `done` is called once, never during the call; `onClosed` when the connection that
   * it was given has closed.
   * @param connectMs how long the other end may take to accept
   * @returns aborts; `done` is not called then
   */
  connect(
    remote: PeerAddress,
    identity: HandshakeIdentity,
    done: (result: PeerConnection | CloseReason) => void,
    onClosed: () => void,
    connectMs = DEFAULT_CONNECT_MS,
  ): () => void {
    const heartbeat = this.#heartbeat;
    const identityOf = (): HandshakeIdentity => identity;
    const plan = { remote, incoming: false, heartbeat, identityOf, connectMs, done, onClosed };
    const handshake = new Handshake(plan);
    if (isIP(remote.host) !== 0 && Number.isInteger(remote.port) && remote.port > 0 && remote.port <= 65_535)
      handshake.start(this.#watched(PeerSocket.connect(remote, handshake)), identity);
    else process.nextTick(() => handshake.onGone({ kind: 'network', text: 'not an address to connect to' }));
    return () => handshake.abort();
  }

  /** The same for a socket that was just accepted; `identityOf` knows the torrents by their info-hash. */
  accept(
    socket: Socket,
    identityOf: (infoHash: string) => HandshakeIdentity | undefined,
    done: (result: PeerConnection | CloseReason) => void,
    onClosed: () => void,
  ): () => void {
    const heartbeat = this.#heartbeat;
    const remote = { host: plainHost(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    const handshake = new Handshake({ remote, incoming: true, heartbeat, identityOf, done, onClosed });
    handshake.start(this.#watched(PeerSocket.accepted(socket, handshake)));
    return () => handshake.abort();
  }

  #watched(socket: PeerSocket): PeerSocket {
    this.#sendQueues?.watch(socket);
    return socket;
  }
}

/** A dual-stack socket shows IPv4 peers as `::ffff:1.2.3.4`. */
function plainHost(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice(7) : host;
}
