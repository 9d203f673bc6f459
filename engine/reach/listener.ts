/**
 * Listener: one TCP port for all torrents. Who connects gets a limited time for its handshake, and a place that others
 * may need more (policy/handshake-room.ts); who names a torrent that is registered is handed to its owner, everybody
 * else is closed.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { listenFrom } from '../egress/bound-sockets.js';
import { isReachable, type SocketBinding, type Source, UNBOUND } from '../egress/socket-binding.js';
import { SwarmError } from '../errors.js';
import { HandshakeRoom } from '../policy/handshake-room.js';
import { unmappedHost } from '../policy/ip-address.js';
import type { Clock, HandshakeIdentity, PeerConnection } from '../ports.js';
import { torrentMark } from '../wire/mse-keys.js';
import type { TcpWire } from '../wire/tcp-wire.js';
import type { ConnectionSlots } from './connection-slots.js';

/** Shakes hands on an accepted socket. */
type Acceptor = Pick<TcpWire, 'accept'>;

interface Registration {
  readonly identity: HandshakeIdentity;
  /** Sets the connection's handler during the call, or closes it. */
  readonly onPeer: (connection: PeerConnection) => void;
}

export class PeerListener {
  readonly #acceptor: Acceptor;
  readonly #slots: ConnectionSlots;
  readonly #torrents = new Map<string, Registration>();
  /** Info-hashes by what an encrypted handshake names them by; made when the first one asks. */
  #marks: Map<string, string> | undefined;
  /** Aborts of the handshakes under way. */
  readonly #room = new HandshakeRoom<() => void>();
  readonly #clock: Pick<Clock, 'now'>;
  readonly #binding: SocketBinding;
  readonly #servers: Server[] = [];

  constructor(
    acceptor: Acceptor,
    slots: ConnectionSlots,
    clock: Pick<Clock, 'now'>,
    binding: SocketBinding = UNBOUND,
  ) {
    this.#acceptor = acceptor;
    this.#slots = slots;
    this.#clock = clock;
    this.#binding = binding;
  }

  /** Takes peers for a torrent; a second registration replaces the first. `onPeer` sets the connection's handler during the call. */
  register(identity: HandshakeIdentity, onPeer: (connection: PeerConnection) => void): void {
    this.#torrents.set(identity.infoHash, { identity, onPeer });
    this.#marks = undefined;
  }

  unregister(infoHash: string): void {
    this.#torrents.delete(infoHash);
    this.#marks = undefined;
  }

  /**
   * Listens, also there. Without a host: all IPv6 and IPv4 addresses, or IPv4 alone where there is no IPv6.
   * @param port 0 lets the system choose
   * @returns where it listens
   * @throws SwarmError ADDRESS_UNAVAILABLE
   */
  listen(port: number, at?: string | Source): Promise<{ host: string; port: number }> {
    const host = typeof at === 'string' ? at : at?.host;
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#onSocket(socket));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        this.#servers.splice(this.#servers.indexOf(server), 1);
        reject(addressError(error, port, host));
      };
      server.once('error', onError);
      const onListening = (): void => {
        server.off('error', onError);
        // From here on errors are of single accepts (no file descriptors left): that peer is lost, the port is not.
        server.on('error', () => {});
        const address = server.address();
        if (address === null || typeof address === 'string')
          reject(new SwarmError('CLOSED', 'not listening'));
        else resolve({ host: host ?? address.address, port: address.port });
      };
      if (typeof at === 'object') listenFrom(server, at, port, onListening);
      else server.listen({ port, ...(host === undefined ? {} : { host }) }, onListening);
    });
  }

  /** Frees the port and ends the handshakes under way. Connections that were handed on are their owners'. */
  close(): void {
    this.stopListening();
    this.#torrents.clear();
  }

  /** The same, and whoever is registered stays so: `listen` may follow. */
  stopListening(): void {
    for (const server of this.#servers.splice(0)) server.close();
    for (const abort of this.#room.strangers()) abort();
  }

  #onSocket(socket: Socket): void {
    const host = socket.remoteAddress === undefined ? undefined : unmappedHost(socket.remoteAddress);
    if (host === undefined || !isReachable(this.#binding, host) || this.#slots.isFull) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    // The info-hash whose identity the handshake was answered with.
    let identity: HandshakeIdentity | undefined;
    let hasSlot = false;
    const stop = this.#acceptor.accept(
      socket,
      {
        identityOf: (wanted) => {
          identity = this.#torrents.get(wanted)?.identity;
          return identity;
        },
        infoHashOf: (mark) => this.#infoHashOf(mark),
        onFirstBytes: () => this.#room.onBytes(abort),
      },
      (result) => {
        this.#room.leave(abort);
        if ('kind' in result || identity === undefined) return;
        hasSlot = this.#slots.take();
        if (hasSlot) this.#handOn(identity, result);
        else result.close('no room for another peer');
      },
      () => {
        if (hasSlot) this.#slots.release();
      },
    );
    const abort = (): void => {
      stop();
      this.#room.leave(abort);
    };
    this.#room.enter(abort, host, this.#clock.now())?.();
  }

  #infoHashOf(mark: string): string | undefined {
    this.#marks ??= new Map(
      Array.from(this.#torrents.keys(), (infoHash) => [
        Buffer.from(torrentMark(infoHash)).toString('hex'),
        infoHash,
      ]),
    );
    return this.#marks.get(mark);
  }

  #handOn(identity: HandshakeIdentity, connection: PeerConnection): void {
    const torrent = this.#torrents.get(identity.infoHash);
    if (torrent === undefined) connection.close('the torrent was removed');
    // Answered as a magnet, it has become a torrent meanwhile.
    else if (torrent.identity !== identity) connection.close('begins anew');
    else torrent.onPeer(connection);
  }
}

function addressError(error: NodeJS.ErrnoException, port: number, host: string | undefined): SwarmError {
  const where = host === undefined ? `port ${port}` : `${host} port ${port}`;
  const [why, hint] = ADDRESS_FAULTS[error.code ?? ''] ?? [
    error.message,
    'Choose another one with --listen.',
  ];
  return new SwarmError(
    'ADDRESS_UNAVAILABLE',
    `cannot listen on ${where}: ${why}`,
    { port, host, errno: error.code },
    { hint, cause: error },
  );
}

const ADDRESS_FAULTS: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: ['another program listens there', 'Choose another port with --listen, or 0 for any free one.'],
  EACCES: ['not permitted', 'Ports below 1024 are reserved; choose a larger one with --listen.'],
  EADDRNOTAVAIL: ['this machine has no such address', 'Choose an address of this machine with --listen.'],
};
