/** TCP wire: makes established peer connections out of addresses to dial and sockets that were accepted. */
import { isIP, type Socket } from 'node:net';
import { holdTcp } from '../egress/bound-sockets.js';
import { type SocketBinding, UNBOUND } from '../egress/socket-binding.js';
import type { EncryptionMode } from '../options.js';
import { hostKey, unmappedHost } from '../policy/ip-address.js';
import type { CloseReason, HandshakeIdentity, PeerConnection } from '../ports.js';
import type { PeerAddress } from '../units.js';
import { Handshake, type KnownTorrents } from './handshake.js';
import type { Heartbeat } from './heartbeat.js';
import { KeyExchangeBudget } from './key-exchange-budget.js';
import { PeerSocket } from './peer-socket.js';
import type { SendQueues } from './send-queues.js';

/** A SYN is sent again after 1, 3 and 7 s; who has not accepted soon after is not there. */
const DEFAULT_CONNECT_MS = 10_000;
/** Addresses are remembered so that who is dialled again is spared the attempt that fails; the oldest go. */
const MAX_PLAINTEXT_PEERS = 1_000;

export class TcpWire {
  readonly #heartbeat: Heartbeat;
  readonly #encryption: EncryptionMode;
  readonly #sendQueues: SendQueues | undefined;
  readonly #binding: SocketBinding;
  readonly #keyExchanges = new KeyExchangeBudget();
  /** `host port` of peers that answered in plaintext and not to an encrypted handshake. */
  readonly #plaintextPeers = new Set<string>();

  /** @param sendQueues is to watch every socket */
  constructor(
    heartbeat: Heartbeat,
    encryption: EncryptionMode,
    sendQueues?: SendQueues,
    binding: SocketBinding = UNBOUND,
  ) {
    this.#heartbeat = heartbeat;
    this.#encryption = encryption;
    this.#sendQueues = sendQueues;
    this.#binding = binding;
  }

  /**
   * Connects and shakes hands; where encryption is preferred, a second time in plaintext with who accepts and does
   * not speak it. `done` is called once, never during the call; `onClosed` when the connection that it was given has
   * closed.
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
    const name = `${remote.host} ${remote.port}`;
    const heartbeat = this.#heartbeat;
    let handshake: Handshake;
    const attempt = (encryption: EncryptionMode): void => {
      const isSecond = encryption !== this.#encryption;
      handshake = new Handshake({
        remote,
        heartbeat,
        encryption,
        connectMs,
        done: (result) => {
          if (isSecond) this.#notePlaintext(name, !('kind' in result));
          done(result);
        },
        onNotEncrypted: () => attempt('off'),
        onClosed,
      });
      this.#open(remote, handshake, identity);
    };
    attempt(this.#plaintextPeers.has(name) ? 'off' : this.#encryption);
    return () => handshake.abort();
  }

  /** The same for a socket that was just accepted. */
  accept(
    socket: Socket,
    torrents: KnownTorrents,
    done: (result: PeerConnection | CloseReason) => void,
    onClosed: () => void,
  ): () => void {
    const heartbeat = this.#heartbeat;
    const remote = { host: unmappedHost(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    const accepting = {
      ...torrents,
      mayExchangeKeys: () => this.#keyExchanges.take(hostKey(remote.host), heartbeat.now()),
    };
    const encryption = this.#encryption;
    const handshake = new Handshake({ remote, accepting, heartbeat, encryption, done, onClosed });
    const accepted = PeerSocket.accepted(socket, handshake);
    holdTcp(this.#binding, accepted.socket);
    handshake.start(this.#watched(accepted));
    return () => handshake.abort();
  }

  #open(remote: PeerAddress, handshake: Handshake, identity: HandshakeIdentity): void {
    try {
      if (!isDialable(remote)) throw new Error('not an address to connect to');
      handshake.start(this.#watched(PeerSocket.connect(remote, handshake, this.#binding)), identity);
    } catch (error) {
      const { message } = error as Error;
      process.nextTick(() => handshake.onGone({ kind: 'network', text: message }));
    }
  }

  #watched(socket: PeerSocket): PeerSocket {
    this.#sendQueues?.watch(socket);
    return socket;
  }

  #notePlaintext(name: string, works: boolean): void {
    this.#plaintextPeers.delete(name);
    if (!works) return;
    const [oldest] = this.#plaintextPeers;
    if (oldest !== undefined && this.#plaintextPeers.size >= MAX_PLAINTEXT_PEERS)
      this.#plaintextPeers.delete(oldest);
    this.#plaintextPeers.add(name);
  }
}

function isDialable({ host, port }: PeerAddress): boolean {
  return isIP(host) !== 0 && Number.isInteger(port) && port > 0 && port <= 65_535;
}
