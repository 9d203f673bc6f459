/**
 * Gateway exchange: one datagram to the gateway and the answer to it, sent again with doubling pauses. The socket is
 * connected, so the kernel drops what others send, and a port nobody listens on is known at once.
 */
import { createSocket } from 'node:dgram';
import { closeQuietly, datagramFrom } from '../../egress/bound-sockets.js';
import { type SocketBinding, UNBOUND } from '../../egress/socket-binding.js';
import { networkFault } from '../../network-fault.js';
import type { Clock, TimerHandle } from '../../ports.js';
import { asMillis } from '../../units.js';
import { mappingError } from './failure.js';

/** RFC 6886, section 3.1, begins with this; four attempts are 3.75 s. */
const FIRST_PAUSE_MS = 250;
const ATTEMPTS = 4;

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  /** Our address to send from. */
  readonly localHost: string;
  /** Default: the system says by which way. */
  readonly binding?: SocketBinding | undefined;
}

/**
 * @param accept called with every datagram; undefined waits on
 * @throws what `accept` throws; SwarmError ADDRESS_NOT_MAPPED when nothing was accepted; the signal's reason
 */
export function askGateway<T>(
  { host, port, localHost, binding = UNBOUND }: GatewayAddress,
  request: Uint8Array,
  accept: (packet: Buffer) => T | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const source = binding.sourceFor(host);
    const socket =
      source === undefined
        ? createSocket('udp4')
        : datagramFrom(binding, 4, 0, (error) => fail(unreachable(host, error)));
    let timer: TimerHandle | undefined;
    let sent = 0;
    let settled = false;
    const settle = (run: () => void): void => {
      if (settled) return;
      settled = true;
      timer?.cancel();
      signal.removeEventListener('abort', abort);
      closeQuietly(socket);
      run();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const abort = (): void => fail(signal.reason);
    const send = (): void => {
      if (settled) return;
      if (sent === ATTEMPTS) {
        fail(mappingError('no-answer', `the router ${host} does not answer`));
        return;
      }
      socket.send(request, (error) => {
        if (error !== null) fail(unreachable(host, error));
      });
      timer = clock.schedule(asMillis(clock.now() + FIRST_PAUSE_MS * 2 ** sent++), send);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', (error) => fail(unreachable(host, error)));
    socket.on('message', (packet) => {
      try {
        const answer = accept(packet);
        if (answer !== undefined) settle(() => resolve(answer));
      } catch (error) {
        fail(error);
      }
    });
    socket.on('connect', send);
    // The binding may end it.
    socket.on('close', () => fail(mappingError('no-answer', `the way to the router ${host} is gone`)));
    const aim = (): void => {
      if (!settled) socket.connect(port, host);
    };
    if (source === undefined) socket.bind({ address: localHost, exclusive: true }, aim);
    else aim();
  });
}

function unreachable(host: string, error: NodeJS.ErrnoException) {
  const why =
    error.code === 'ECONNREFUSED' ? 'does not take such requests' : `cannot be asked: ${networkFault(error)}`;
  return mappingError('no-answer', `the router ${host} ${why}`);
}
