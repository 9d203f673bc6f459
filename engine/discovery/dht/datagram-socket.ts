/** The UDP socket that the DHT shares with whoever else speaks on the same port: a port of the engine, and the real one. */
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { closeQuietly, datagramFrom } from '../../egress/bound-sockets.js';
import { type SocketBinding, UNBOUND } from '../../egress/socket-binding.js';
import { toSwarmError } from '../../errors.js';
import { canonicalHost } from '../../policy/ip-address.js';
import type { PeerAddress } from '../../units.js';

export interface DatagramSocket {
  readonly family: 4 | 6;
  /** Where it is bound. */
  readonly port: number;
  /** Set by the one owner. `from` is canonical, its port above 0; `datagram` is the callee's. */
  onDatagram: (datagram: Uint8Array, from: PeerAddress) => void;
  /** Never throws; what cannot be sent is lost, as datagrams are. */
  send(datagram: Uint8Array, to: PeerAddress): void;
  /** Idempotent. */
  close(): void;
}

/**
 * Does not keep the process alive.
 * @param host literal address of that family to bind to, or undefined for all
 * @throws SwarmError ADDRESS_UNAVAILABLE
 */
export async function openDatagramSocket(
  family: 4 | 6,
  port: number,
  host: string | undefined,
  binding: SocketBinding = UNBOUND,
): Promise<DatagramSocket> {
  const isBound = binding.source(family) !== undefined;
  let fault: Error | undefined;
  const socket = datagramFrom(binding, family, port, (error) => {
    fault ??= error;
  });
  try {
    if (!isBound) socket.bind({ port, ...(host === undefined ? {} : { address: host }), exclusive: true });
    // It may be through with that already.
    if (fault !== undefined) throw fault;
    if (!isListening(socket)) await once(socket, 'listening');
  } catch (error) {
    closeQuietly(socket);
    throw toSwarmError(error, 'ADDRESS_UNAVAILABLE');
  }
  socket.unref();
  let closed = false;
  const opened: DatagramSocket = {
    family,
    port: socket.address().port,
    onDatagram: () => {},
    send(datagram, to) {
      // Node throws on port 0, and reports everything else to the callback.
      if (!closed && to.port > 0) socket.send(datagram, to.port, to.host, ignore);
    },
    close() {
      if (closed) return;
      closed = true;
      closeQuietly(socket);
    },
  };
  // The binding may close it.
  socket.on('close', () => {
    closed = true;
  });
  socket.on('message', (datagram, { address, port: fromPort }) => {
    const from = canonicalHost(address);
    if (!closed && from !== undefined && fromPort > 0)
      opened.onDatagram(datagram, { host: from, port: fromPort });
  });
  // A failing send (no route, no buffers) is a lost datagram.
  socket.on('error', ignore);
  return opened;
}

function isListening(socket: Socket): boolean {
  try {
    return socket.address().port > 0;
  } catch {
    return false;
  }
}

const ignore = (): void => {};
