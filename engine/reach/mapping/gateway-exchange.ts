/**
 * Gateway exchange: one datagram to the gateway and the answer to it, sent again with doubling pauses. The socket is
 * connected, so the kernel drops what others send, and a port nobody listens on is known at once.
 */
import { createSocket, type Socket } from 'node:dgram';
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
}

/**
 * @param accept called with every datagram; undefined waits on
 * @throws what `accept` throws; SwarmError ADDRESS_NOT_MAPPED when nothing was accepted; the signal's reason
 */
export function askGateway<T>(
  { host, port, localHost }: GatewayAddress,
  request: Uint8Array,
  accept: (packet: Buffer) => T | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = createSocket('udp4');
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
    socket.bind({ address: localHost, exclusive: true }, () => {
      if (!settled) socket.connect(port, host);
    });
  });
}

function unreachable(host: string, error: NodeJS.ErrnoException) {
  const why =
    error.code === 'ECONNREFUSED' ? 'does not take such requests' : `cannot be asked: ${networkFault(error)}`;
  return mappingError('no-answer', `the router ${host} ${why}`);
}

function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // it never opened, or closed by itself
  }
}
