/**
 * One bounded HTTP GET of a few kilobytes from a host that is not trusted: to judged addresses only, every
 * redirect judged again, no connection kept, nothing remembered between requests. The caller's signal is the
 * limit in time; everything that can grow has one in bytes.
 */
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction, Socket, TcpNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { connectFrom } from '../egress/bound-sockets.js';
import { connectThrough } from '../egress/proxied-sockets.js';
import { isReachable, type SocketBinding, UNBOUND } from '../egress/socket-binding.js';
import { SwarmError } from '../errors.js';
import { networkFault } from '../network-fault.js';
import {
  type AddressGuard,
  type JudgedAddress,
  parseTrackerUrl,
  type TrackerUrl,
  tlsServerName,
} from './address-guard.js';

export interface HttpGetOptions {
  readonly guard: AddressGuard;
  /** Judged addresses of the first hop, all of one family; redirects stay in it. */
  readonly addresses: readonly JudgedAddress[];
  readonly userAgent: string;
  readonly signal: AbortSignal;
  /** Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Default: from any address. */
  readonly binding?: SocketBinding | undefined;
  /** What its clock says, in milliseconds since 1970; untrusted. */
  readonly onDate?: ((atMs: number) => void) | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

const MAX_REDIRECTS = 3;
/** A full answer with 200 peers has about 4 KB; scrapes of everything, which nobody asked for, have megabytes. */
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** `1xx` answers before the answer: proxies send one or two. */
const MAX_INFORMATION = 8;
/** After this long without a connection the host's next address is tried. */
const CONNECT_ATTEMPT_MS = 2_500;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** @throws SwarmError TRACKER_UNREACHABLE, TRACKER_BAD_ANSWER, TRACKER_FORBIDDEN_ADDRESS, or the signal's reason */
export async function httpGet(first: TrackerUrl, options: HttpGetOptions): Promise<HttpAnswer> {
  const { guard, signal } = options;
  const family = options.addresses[0]?.family;
  let url = first;
  let addresses = options.addresses;
  for (let redirects = 0; ; redirects++) {
    const answer = await getOnce(url, addresses, options);
    if (answer.location === undefined) return answer;
    if (redirects === MAX_REDIRECTS) throw badAnswer(url, 'redirects without end');
    url = redirectTarget(url, answer.location);
    addresses = (await guard.admit(url, signal)).filter((address) => address.family === family);
    if (addresses.length === 0) throw unreachable(url, 'the redirect leads to another address family');
  }
}

interface OneAnswer extends HttpAnswer {
  readonly location?: string;
}

function getOnce(url: TrackerUrl, addresses: readonly JudgedAddress[], options: HttpGetOptions) {
  return new Promise<OneAnswer>((resolve, reject) => {
    const request = startRequest(url, addresses, options);
    let information = 0;
    const settle = (run: () => void): void => {
      run();
      request.destroy();
    };
    const fail = (error: unknown): void => settle(() => reject(errorOf(url, error, options.signal)));
    request.on('error', fail);
    // One that comes from a proxy is paused.
    request.on('socket', (socket) => socket.resume());
    request.on('information', () => {
      if (++information > MAX_INFORMATION) fail(badAnswer(url, 'too many 1xx answers'));
    });
    // 101 hands the socket over, and with it the duty to close it.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      fail(badAnswer(url, 'the answer is not HTTP'));
    });
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      const { location, date = '' } = response.headers;
      const atMs = Date.parse(date);
      if (!Number.isNaN(atMs)) options.onDate?.(atMs);
      if (REDIRECTS.has(status) && location !== undefined) {
        settle(() => resolve({ status, location, body: new Uint8Array(0) }));
        return;
      }
      readBody(
        url,
        response,
        options.maxBodyBytes ?? MAX_BODY_BYTES,
        (body) => settle(() => resolve({ status, body })),
        fail,
      );
    });
    request.end();
  });
}

function startRequest(
  url: TrackerUrl,
  addresses: readonly JudgedAddress[],
  { userAgent, signal, binding = UNBOUND }: HttpGetOptions,
): http.ClientRequest {
  const headers: http.OutgoingHttpHeaders = {
    'User-Agent': userAgent,
    'Accept-Encoding': 'gzip',
    Connection: 'close',
  };
  if (url.authorization !== undefined) headers.Authorization = url.authorization;
  const request: https.RequestOptions & Partial<TcpNetConnectOpts> = {
    host: url.host,
    port: url.port,
    path: `${url.path}${url.query}`,
    headers,
    lookup: pinnedLookup(addresses),
    // An agent would make connections of its own.
    ...(binding === UNBOUND
      ? { agent: false }
      : {
          createConnection: (_options, done) => {
            connectBound(url, addresses, binding, signal).then(
              (socket) => done(null, secured(socket, url)),
              // There is no socket then, whatever the type says.
              (error: Error) => done(error, undefined as unknown as Duplex),
            );
            return undefined;
          },
        }),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: CONNECT_ATTEMPT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  };
  if (url.scheme === 'http') return http.request(request);
  return https.request({ ...request, servername: tlsServerName(url.host) });
}

const secured = (socket: Socket, { scheme, host }: TrackerUrl): Socket =>
  scheme === 'http' ? socket : tls.connect({ socket, servername: tlsServerName(host) });

/** One address after the other, as Node does it where nothing is bound. @throws the fault of the last one */
async function connectBound(
  { host: name, port }: TrackerUrl,
  addresses: readonly JudgedAddress[],
  binding: SocketBinding,
  signal: AbortSignal,
): Promise<Socket> {
  const [first] = addresses;
  if (binding.proxy !== undefined)
    return connectThrough(binding.proxy, { host: first?.host ?? name, port }, signal);
  const reachable = addresses.filter(({ host }) => isReachable(binding, host));
  const last = reachable.pop() ?? first;
  for (const { host } of reachable) {
    try {
      return await connected(connectFrom(binding, { host, port }), signal, CONNECT_ATTEMPT_MS);
    } catch {
      signal.throwIfAborted();
    }
  }
  return connected(connectFrom(binding, { host: last?.host ?? name, port }), signal);
}

function connected(socket: Socket, signal: AbortSignal, withinMs?: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const settle = (run: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('connect', done).off('close', gone);
      run();
    };
    const fail = (why: unknown): void =>
      settle(() => {
        socket.destroy();
        reject(why);
      });
    let fault: unknown = new Error('it takes no connection');
    const done = (): void => settle(() => resolve(socket));
    const gone = (): void => fail(fault);
    const abort = (): void => fail(signal.reason);
    const timer = withinMs === undefined ? undefined : setTimeout(gone, withinMs);
    signal.addEventListener('abort', abort, { once: true });
    // Also until it has another owner.
    socket.on('error', (error) => {
      fault = error;
    });
    socket.once('connect', done).once('close', gone);
    if (signal.aborted) abort();
  });
}

/** Answers every question of the socket with the judged addresses; DNS is not asked a second time. */
function pinnedLookup(addresses: readonly JudgedAddress[]): LookupFunction {
  const all = addresses.map(({ host, family }) => ({ address: host, family }));
  return (_host, options, done) => {
    if (options.all === true) done(null, all);
    else done(null, all[0]?.address ?? '', all[0]?.family);
  };
}

function readBody(
  url: TrackerUrl,
  response: http.IncomingMessage,
  maxBytes: number,
  done: (body: Uint8Array) => void,
  fail: (error: unknown) => void,
): void {
  const encoding = response.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (!['identity', 'gzip', 'x-gzip'].includes(encoding)) {
    fail(badAnswer(url, 'an encoding that nobody asked for'));
    return;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > maxBytes) fail(badAnswer(url, `more than ${maxBytes} bytes`));
    else chunks.push(chunk);
  });
  response.on('error', fail);
  response.on('end', () => {
    try {
      const body = Buffer.concat(chunks);
      done(encoding === 'identity' ? body : gunzipSync(body, { maxOutputLength: maxBytes }));
    } catch (error) {
      const isBomb = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      fail(badAnswer(url, isBomb ? `more than ${maxBytes} bytes, unpacked` : 'not gzip', error));
    }
  });
}

/** Where a redirect leads. Never from https to http, where a passkey could be read; never with credentials. */
function redirectTarget(from: TrackerUrl, location: string): TrackerUrl {
  const base = from.text;
  if (!URL.canParse(location, base)) throw badAnswer(from, 'a redirect to no URL');
  const { href, protocol } = new URL(location, base);
  const scheme = protocol.slice(0, -1);
  if (!['http', 'https'].includes(scheme) || (from.scheme === 'https' && scheme === 'http'))
    throw new SwarmError(
      'TRACKER_FORBIDDEN_ADDRESS',
      `a redirect from ${from.scheme} to ${scheme} is not followed`,
      { url: from.text },
    );
  return { ...parseTrackerUrl(href), authorization: undefined };
}

function errorOf(url: TrackerUrl, error: unknown, signal: AbortSignal): unknown {
  if (error instanceof SwarmError) return error;
  if (signal.aborted) return signal.reason;
  const fault = error as NodeJS.ErrnoException;
  if (fault.code?.startsWith('HPE_') === true) return badAnswer(url, `not HTTP (${fault.code})`, error);
  return unreachable(url, networkFault(fault), error);
}

function badAnswer(url: TrackerUrl, reason: string, cause?: unknown): SwarmError {
  return new SwarmError(
    'TRACKER_BAD_ANSWER',
    `the tracker's answer cannot be used: ${reason}`,
    { url: url.text },
    { cause },
  );
}

function unreachable(url: TrackerUrl, reason: string, cause?: unknown): SwarmError {
  return new SwarmError(
    'TRACKER_UNREACHABLE',
    `the tracker did not answer: ${reason}`,
    { url: url.text },
    { cause },
  );
}
