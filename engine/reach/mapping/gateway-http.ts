/**
 * Gateway HTTP: one bounded request to a router that nobody vouches for: to that host only, no redirect followed, no
 * connection kept, 3 seconds and 256 KiB at most.
 */
import http from 'node:http';
import { connectFrom } from '../../egress/bound-sockets.js';
import { type SocketBinding, UNBOUND } from '../../egress/socket-binding.js';
import { SwarmError } from '../../errors.js';
import { withinTime } from '../../time-limit.js';
import { mappingError } from './failure.js';

const TIMEOUT_MS = 3_000;
const MAX_BODY_BYTES = 256 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

export interface GatewayHttpRequest {
  /** Its host is a literal address that was judged. */
  readonly url: URL;
  /** Our address to ask from. */
  readonly localHost: string;
  /** Default: the system says by which way. */
  readonly binding?: SocketBinding | undefined;
  readonly signal: AbortSignal;
  /** Of a POST. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface GatewayHttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** @throws SwarmError ADDRESS_NOT_MAPPED, or the signal's reason */
export function askOverHttp(request: GatewayHttpRequest): Promise<GatewayHttpAnswer> {
  return withinTime(TIMEOUT_MS, (limited) => askUntil(limited, request), request.signal);
}

async function askUntil(signal: AbortSignal, request: GatewayHttpRequest): Promise<GatewayHttpAnswer> {
  const { url, localHost, binding = UNBOUND, body, headers } = request;
  request.signal.throwIfAborted();
  let connected = false;
  try {
    return await new Promise((resolve, reject) => {
      const sent = http.request(url, {
        method: body === undefined ? 'GET' : 'POST',
        // An agent would make connections of its own.
        ...(binding === UNBOUND
          ? { agent: false, localAddress: localHost }
          : { createConnection: () => connectFrom(binding, { host: url.hostname, port: portOf(url) }) }),
        maxHeaderSize: MAX_HEADER_BYTES,
        headers: {
          Connection: 'close',
          ...headers,
          ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }),
        },
        signal,
      });
      sent.on('error', reject);
      sent.on('socket', (socket) =>
        socket.once('connect', () => {
          connected = true;
        }),
      );
      sent.on('upgrade', (_response, socket) => {
        socket.destroy();
        reject(mappingError('bad-answer', `the router ${url.hostname} does not answer in HTTP`));
      });
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          chunks.push(chunk);
          if (length <= MAX_BODY_BYTES) return;
          reject(mappingError('bad-answer', `the router ${url.hostname} sends without end`));
          sent.destroy();
        });
        response.on('error', reject);
        response.on('close', () => reject(new Error('cut short')));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      sent.end(body);
    });
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof SwarmError) throw error;
    const { hostname } = url;
    if (!connected) throw mappingError('no-answer', `the router ${hostname} takes no connection`);
    if (signal.aborted)
      throw mappingError('bad-answer', `the router ${hostname} takes the connection and then hangs`);
    throw mappingError('bad-answer', `the router ${hostname} breaks off its answer (${reasonOf(error)})`);
  }
}

const portOf = ({ port }: URL): number => (port === '' ? 80 : Number(port));

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
};
