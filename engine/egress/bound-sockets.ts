/**
 * Bound sockets: those of a binding, and with them what a source address cannot do: keep packets on their interface.
 *
 * Linux routes by destination, so a socket bound to an address alone sends by whatever interface the routes name, and
 * Node has no SO_BINDTODEVICE. But an IPv6 socket that is bound to a link-local address stays with the interface which
 * that names, even when it turns out that there is no such address; and it can be bound to another one then, IPv4
 * included, as `::ffff:1.2.3.4`. Whether it is so here is tried before it is relied upon.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv4, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { constants } from 'node:os';
import { SwarmError, toSwarmError } from '../errors.js';
import type { SocketBinding, Source } from './socket-binding.js';

/** Link-local, and nobody's: an interface numbers itself by its hardware address or at random. */
const NOWHERE = 'fe80::5:7761:726d';

/** What Node keeps behind a TCP socket, as far as it is used here. */
interface TcpHandle {
  bind6(host: string, port: number, flags: number): number;
}
type TcpHandleClass = new (type: number) => TcpHandle;
const SERVER_HANDLE = 1;

/** Connects to a literal address. @throws SwarmError ADDRESS_UNAVAILABLE when nothing may be sent there */
export function connectFrom(
  binding: SocketBinding,
  { host, port }: { readonly host: string; readonly port: number },
  options: SocketConstructorOpts & { readonly noDelay?: boolean } = {},
): Socket {
  const source = binding.sourceFor(host);
  const from = source === undefined ? {} : { localAddress: source.host };
  const socket = source?.pinned
    ? pinnedSocket(source, host, port, options)
    : connect({ host, port, ...from, ...options });
  holdTcp(binding, socket);
  return socket;
}

/** The socket has a handle, and no address yet, while the name is looked up. */
function pinnedSocket(source: Source, host: string, port: number, options: SocketConstructorOpts): Socket {
  const socket = new Socket(options);
  socket.connect({
    ...options,
    host: 'pinned',
    port,
    family: 6,
    localAddress: mapped(source.host),
    lookup: (_name, _options, done) => {
      const isPinned = pin(handleOf(socket), source.device);
      done(isPinned ? null : notPinned(source), mapped(host), 6);
    },
  });
  return socket;
}

/** Listens at the source's address. Faults come as events, as of `listen`. */
export function listenFrom(server: Server, source: Source, port: number, onListening: () => void): void {
  if (!source.pinned) {
    server.listen({ port, host: source.host }, onListening);
    return;
  }
  const Handle = tcpHandleClass();
  const handle = new Handle(SERVER_HANDLE);
  const isBound = pin(handle, source.device) && handle.bind6(mapped(source.host), port, 0) === 0;
  if (isBound) server.listen(handle, onListening);
  // The same fault again, told as `listen` tells it.
  else server.listen({ port, host: source.host }, onListening);
}

/**
 * A UDP socket of the family that is bound, or about to be. Speaks in `::ffff:1.2.3.4` where it is pinned.
 * @param onFault later, when it cannot be bound or used any more; where there is a source it is closed then, as it
 *   would bind itself to any address
 * @throws SwarmError ADDRESS_UNAVAILABLE
 */
export function datagramFrom(
  binding: SocketBinding,
  family: 4 | 6,
  port: number,
  onFault: (error: Error) => void,
): DatagramSocket {
  const source = binding.source(family);
  const socket = source?.pinned ? pinnedDatagram(source) : createSocket(plainType(family));
  if (source === undefined) return socket.on('error', onFault);
  let isOpening = true;
  let fault: Error | undefined;
  holdUdp(binding, socket);
  socket.on('error', (error) => {
    fault ??= error;
    closeQuietly(socket);
    if (!isOpening) onFault(error);
  });
  socket.bind({ address: source.host, port, exclusive: true });
  isOpening = false;
  if (fault !== undefined) throw toSwarmError(fault, 'ADDRESS_UNAVAILABLE');
  return socket;
}

/** Names are addresses here, so that nothing is waited for between the two binds. */
function pinnedDatagram(source: Source): DatagramSocket {
  const socket = createSocket({
    type: 'udp6',
    lookup: (host, _options, done) => done(null, mapped(host), 6),
  });
  let code: string | undefined;
  const expected = (error: NodeJS.ErrnoException): void => {
    code = error.code;
  };
  socket.on('error', expected);
  socket.bind({ address: `${NOWHERE}%${source.device}`, exclusive: true });
  socket.off('error', expected);
  if (code === 'EADDRNOTAVAIL') return socket;
  closeQuietly(socket);
  throw notPinned(source);
}

const plainType = (family: 4 | 6) =>
  family === 4 ? ({ type: 'udp4' } as const) : ({ type: 'udp6', ipv6Only: true } as const);

/**
 * Whether sockets stay with the interface, which is not the loopback one: then even this machine itself is not
 * reached as 127.0.0.1. Sends nothing.
 */
export async function canPin(device: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const source = { host: '::', device, pinned: true };
  try {
    // A Node whose sockets have no such handle cannot pin.
    new (tcpHandleClass())(SERVER_HANDLE).bind6.call;
    const [free, kept] = await Promise.all([
      seenAs(createSocket({ type: 'udp6' })),
      seenAs(pinnedDatagram(source)),
    ]);
    return free === mapped('127.0.0.1') && kept !== free;
  } catch {
    return false;
  }
}

/** The address that the socket would send to this machine from. */
function seenAs(socket: DatagramSocket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const settle = (host: string | undefined): void => {
      resolve(host);
      socket.close();
    };
    socket.once('error', () => settle(undefined));
    socket.once('connect', () => settle(socket.address().address));
    socket.connect(9, mapped('127.0.0.1'));
  });
}

/** @returns whether the handle stays with the interface from here on */
const pin = (handle: TcpHandle, device: string): boolean =>
  handle.bind6(`${NOWHERE}%${device}`, 0, 0) === -constants.errno.EADDRNOTAVAIL;

const notPinned = ({ device }: Source): SwarmError =>
  new SwarmError('ADDRESS_UNAVAILABLE', `a socket cannot be kept on ${device}`, { device });

function handleOf(socket: Socket): TcpHandle {
  const { _handle: handle } = socket as unknown as { _handle?: Partial<TcpHandle> | null };
  if (typeof handle?.bind6 === 'function') return handle as TcpHandle;
  throw new TypeError('this Node keeps its handles elsewhere');
}

/** Of a socket that never gets beyond looking up a name. */
function tcpHandleClass(): TcpHandleClass {
  const socket = new Socket().on('error', () => {});
  socket.connect({ host: 'pinned', port: 1, lookup: () => {} });
  try {
    return (handleOf(socket) as unknown as { constructor: TcpHandleClass }).constructor;
  } finally {
    socket.destroy();
  }
}

const mapped = (host: string): string => (isIPv4(host) ? `::ffff:${host}` : host);

/** Ends the socket when the binding is lost: by one RST, as a FIN would be sent again and again. */
export function holdTcp(binding: SocketBinding, socket: Socket): void {
  const onLost = (): void => {
    // One that is not connected yet ends without a packet.
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  };
  socket.once('close', binding.hold({ onLost }));
}

/** Closes the socket when the binding is lost. */
function holdUdp(binding: SocketBinding, socket: DatagramSocket): void {
  socket.once('close', binding.hold({ onLost: () => closeQuietly(socket) }));
}

/** The binding may have closed it already. */
export function closeQuietly(socket: DatagramSocket): void {
  try {
    socket.close();
  } catch {
    // it is closed
  }
}
