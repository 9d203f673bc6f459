/** Proxied sockets: a binding that leads through a SOCKS5 proxy and nowhere else, and sockets by it. */
import type { Socket } from 'node:net';
import { SwarmError, toSwarmError } from '../errors.js';
import { networkFault } from '../network-fault.js';
import { connectFrom } from './bound-sockets.js';
import type { SocketBinding } from './socket-binding.js';
import { type Credentials, Socks5Dialogue } from './socks5-dialogue.js';

export interface Proxy {
  /** Literal address. */
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials | undefined;
}

const NEVER = new AbortController().signal;

type ProxyWay = NonNullable<SocketBinding['proxy']>;

/** Of a proxy and who is behind it: name, connection and dialogue. */
const CONNECT_MS = 20_000;
const CHECK = 'See that it runs and that --proxy names it.';

/** Whoever knows nothing of the proxy gets nothing sent: there is no source for him. */
export function proxiedBinding(proxy: Proxy, from: SocketBinding): SocketBinding {
  const refuse = (): never => {
    throw new SwarmError(
      'ADDRESS_UNAVAILABLE',
      'this does not go through the proxy, and nothing goes around it',
    );
  };
  return {
    source: refuse,
    sourceFor: refuse,
    hold: (holder) => from.hold(holder),
    proxy: { ...proxy, from },
  };
}

/**
 * A socket that is connected to `host`, which may be a name, through the proxy; paused.
 * @throws SwarmError ADDRESS_UNAVAILABLE, or the signal's reason
 */
export async function connectThrough(
  proxy: ProxyWay,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  return converse(proxy, new Socks5Dialogue(host, port, proxy.credentials), signal);
}

/** Whether the proxy answers and takes us; nothing is connected. @throws as `connectThrough` */
export async function greetProxy(proxy: ProxyWay, signal: AbortSignal = NEVER): Promise<void> {
  const dialogue = new Socks5Dialogue(proxy.host, proxy.port, proxy.credentials);
  const socket = await converse(proxy, dialogue, signal, () => dialogue.isAdmitted);
  socket.destroy();
}

/** @param isEnough ends it before there is a connection */
async function converse(
  { from, host, port }: ProxyWay,
  dialogue: Socks5Dialogue,
  signal: AbortSignal,
  isEnough = () => false,
): Promise<Socket> {
  signal.throwIfAborted();
  const address = { host, port };
  return new Promise((resolve, reject) => {
    const socket = connectFrom(from, address);
    const fail = (why: unknown): void => {
      settle();
      socket.destroy();
      reject(why);
    };
    const refuse = (why: string): void =>
      fail(new SwarmError('ADDRESS_UNAVAILABLE', `the proxy ${why}`, address, { hint: CHECK }));
    const timer = setTimeout(() => refuse('took too long'), CONNECT_MS);
    const onAbort = (): void => fail(signal.reason);
    const onClose = (): void => refuse('closed the connection');
    const onError = (error: Error): void =>
      refuse(`${host} port ${port} cannot be reached: ${networkFault(error)}`);
    const onConnect = (): void => void socket.write(dialogue.greeting);
    const onData = (chunk: Buffer): void => {
      try {
        const { send, rest } = dialogue.take(chunk);
        if (rest === undefined && !isEnough()) {
          if (send !== undefined) socket.write(send);
          return;
        }
        settle();
        socket.pause();
        if (rest !== undefined && rest.length > 0) socket.unshift(rest);
        resolve(socket);
      } catch (error) {
        fail(toSwarmError(error, 'ADDRESS_UNAVAILABLE'));
      }
    };
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('data', onData).off('close', onClose).off('error', onError);
      // Until it has another owner.
      socket.on('error', () => {});
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', onConnect).on('data', onData).on('close', onClose).on('error', onError);
  });
}
