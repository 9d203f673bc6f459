/**
 * Bound resolve: names to addresses by asking name servers from the bound address, and from nowhere else, which the
 * system's resolver cannot be told. Over UDP alone: what does not fit into a datagram is more than anybody dials.
 */
import { randomInt } from 'node:crypto';
import { getServers } from 'node:dns';
import { closeQuietly, datagramFrom } from '../egress/bound-sockets.js';
import { isReachable, type SocketBinding, sourceOf } from '../egress/socket-binding.js';
import { SwarmError } from '../errors.js';
import { addressKind, canonicalHost, familyOf, hostBytes, ipText } from '../policy/ip-address.js';
import { formatQuestion, parseAnswer } from './dns-packets.js';
import type { Resolve } from './resolve.js';

const SERVER_MS = 2_000;
/** As resolvers have them; each is asked twice. */
const MAX_SERVERS = 3;
const ROUNDS = 2;
const PORT = 53;

/**
 * Servers on this machine are not asked, as nobody knows by which way they would ask on.
 * @param servers addresses, with `:port` where it is not 53; undefined: the system's
 */
export function boundResolve(binding: SocketBinding, servers?: readonly string[]): Resolve {
  return async (name, signal) => {
    signal.throwIfAborted();
    const all = (servers ?? getServers()).map(serverOf).filter(isDefined);
    const usable = all.filter(({ host }) => isReachable(binding, host) && addressKind(host) !== 'loopback');
    if (usable.length === 0)
      throw unresolved(name, 'no name server is reached from where we are bound to', 'Name one with --dns.');
    const families = ([4, 6] as const).filter((family) => sourceOf(binding, family) !== undefined);
    let answered = false;
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of usable.slice(0, MAX_SERVERS)) {
        const answers = await Promise.all(
          families.map((family) => ask(name, family, server, binding, signal)),
        );
        signal.throwIfAborted();
        const found = answers.flatMap((answer) => answer ?? []);
        if (found.length > 0) return found;
        answered ||= answers.every((answer) => answer !== undefined);
        if (answered) throw unresolved(name, 'it has no address');
      }
    }
    throw unresolved(name, 'no name server answers');
  };
}

interface Server {
  readonly host: string;
  readonly port: number;
}

/** @returns undefined when the server does not say within its time, or the address to ask from is lost */
function ask(
  name: string,
  family: 4 | 6,
  { host, port }: Server,
  binding: SocketBinding,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  // With the port, which the system chooses, what a stranger would have to guess.
  const question = formatQuestion(randomInt(65_536), name, family);
  if (question === undefined) return Promise.resolve([]);
  return new Promise((resolve) => {
    const settle = (answer: readonly string[] | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
      socket.off('close', give);
      resolve(answer);
      closeQuietly(socket);
    };
    const give = (): void => settle(undefined);
    const socket = datagramFrom(binding, familyOf(host), 0, () => give());
    const timer = setTimeout(give, SERVER_MS);
    signal.addEventListener('abort', give, { once: true });
    socket.on('close', give);
    socket.on('message', (packet, from) => {
      if (from.port !== port || plainHost(from.address) !== plainHost(host)) return;
      const answer = parseAnswer(packet, question, family);
      if (answer !== undefined) settle(answer === 'useless' ? undefined : answer);
    });
    socket.send(question, port, host, (error) => {
      if (error !== null) give();
    });
  });
}

/** Of `1.2.3.4`, `1.2.3.4:53`, `::1` and `[::1]:53`. */
function serverOf(text: string): Server | undefined {
  const match = /^\[(.*)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  const [, host = text, port = PORT] = match ?? [];
  const server = { host: canonicalHost(host) ?? host, port: Number(port) };
  return server.port > 0 && server.port <= 65_535 ? server : undefined;
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

/** Without a zone, which a socket tells or does not: it hears one interface only. */
function plainHost(host: string): string | undefined {
  const bytes = hostBytes(host);
  return bytes === undefined ? undefined : ipText(bytes);
}

function unresolved(name: string, why: string, hint?: string): SwarmError {
  return new SwarmError(
    'TRACKER_UNREACHABLE',
    `the name ${name} cannot be resolved: ${why}`,
    { host: name },
    hint === undefined ? {} : { hint },
  );
}
