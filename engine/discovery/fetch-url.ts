/**
 * Fetch URL: gets a file that the user named by its URL. Where the user points, this machine and its network
 * included, is the user's to say. Where a server then redirects to is not: never from outside to inside, nor from the
 * network to this machine. Nor is what a name of the Internet is told to be: it is not this machine.
 */

import { hostname } from 'node:os';
import type { SocketBinding } from '../egress/socket-binding.js';
import { SwarmError } from '../errors.js';
import { addressKind, ipBytes } from '../policy/ip-address.js';
import { isTimeUp, withinTime } from '../time-limit.js';
import {
  AddressGuard,
  type InsideRule,
  parseTrackerUrl,
  type TrackerUrl,
  withoutCredentials,
} from './address-guard.js';
import { httpGet } from './http-get.js';
import { type Resolve, systemResolve } from './resolve.js';

const FETCH_MS = 60_000;

export interface FetchUrlOptions {
  readonly maxBytes: number;
  readonly userAgent: string;
  /** Ends it before its time is over. */
  readonly signal: AbortSignal;
  /** For all of it: name, connection, redirects, body. Default a minute. */
  readonly timeoutMs?: number;
  readonly resolve?: Resolve | 'by-proxy';
  readonly binding?: SocketBinding | undefined;
}

/** @throws SwarmError INPUT_NOT_FOUND when it cannot be had, or the signal's reason */
export async function fetchUrl(text: string, options: FetchUrlOptions): Promise<Uint8Array> {
  const { signal, timeoutMs = FETCH_MS } = options;
  try {
    return await withinTime(timeoutMs, (limited) => fetchUntil(limited, text, options), signal);
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    if (isTimeUp(thrown)) throw notFound(text, `the server took more than ${timeoutMs / 1000} s`, thrown);
    if (!(thrown instanceof SwarmError) || !thrown.code.startsWith('TRACKER_')) throw thrown;
    throw notFound(text, aboutServer(thrown.message), thrown);
  }
}

/** What is said of trackers is as true of whoever else is asked over HTTP. */
const aboutServer = (message: string): string =>
  message.replace(/^(the|a) tracker URL/, '$1 URL').replace(/^(the|a|a public) tracker/, '$1 server');

async function fetchUntil(signal: AbortSignal, text: string, options: FetchUrlOptions): Promise<Uint8Array> {
  const { maxBytes, userAgent, resolve = systemResolve, binding } = options;
  if (!/^https?:/i.test(text)) throw notFound(text, 'only http:// and https:// are fetched');
  const url = parseTrackerUrl(text);
  const guard = new AddressGuard(resolve, ruleOfUser(url));
  const admitted = await guard.admit(url, signal);
  // One family: a redirect stays in it.
  const addresses = admitted.filter(({ family }) => family === admitted[0]?.family);
  const { status, body } = await httpGet(url, {
    guard,
    addresses,
    userAgent,
    signal,
    maxBodyBytes: maxBytes,
    binding,
  });
  if (status !== 200) throw notFound(text, `the server answered ${status}`);
  return body;
}

/** For one fetch, which begins at `first`. */
function ruleOfUser(first: TrackerUrl): InsideRule {
  let onMachine = true;
  return (url, addresses) => {
    if (addresses.some(({ host }) => ipBytes(host) === undefined))
      return mayFollow(first, url) ? undefined : UNKNOWN_REDIRECT;
    const toMachine = addresses.some(({ host }) => addressKind(host) === 'loopback');
    if (toMachine && !isNameOfMachine(url.host))
      return `${url.host} is a name of the Internet, and leads to this machine; name it localhost where that is meant`;
    if (toMachine && !onMachine) return 'a server of the network leads to this machine';
    onMachine &&= toMachine;
    return undefined;
  };
}

const UNKNOWN_REDIRECT =
  'a redirect is followed to another name, which the proxy looks up, by https or to a .torrent only';

/** Whom the proxy finds by a name nobody here knows: what is inside of its network is rarely either of these. */
const mayFollow = (first: TrackerUrl, { host, scheme, path }: TrackerUrl): boolean =>
  host === first.host || scheme === 'https' || path.endsWith('.torrent');

/** Nobody else can give these an address: they have no dot, are reserved (RFC 6761), or are this machine's own name. */
function isNameOfMachine(host: string): boolean {
  const name = host.replace(/\.$/, '');
  if (ipBytes(host) !== undefined || !name.includes('.') || name.endsWith('.localhost')) return true;
  return name === hostname() || name.startsWith(`${hostname()}.`);
}

function notFound(url: string, reason: string, cause?: unknown): SwarmError {
  const shown = withoutCredentials(url);
  return new SwarmError('INPUT_NOT_FOUND', `cannot fetch ${shown}: ${reason}`, { url: shown }, { cause });
}
