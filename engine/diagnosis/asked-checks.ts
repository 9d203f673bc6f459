/** Checks of trackers and DHT nodes: those that the user names, and the DHT's public ones. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { parseTrackerUrl } from '../discovery/address-guard.js';
import type { AnnounceRequest } from '../discovery/announce.js';
import { TrackerEndpoint } from '../discovery/tracker-endpoint.js';
import { UdpTrackerSockets } from '../discovery/udp-tracker.js';
import { closeQuietly, datagramFrom } from '../egress/bound-sockets.js';
import type { SocketBinding } from '../egress/socket-binding.js';
import type { Egress } from '../egress.js';
import { type ErrorCode, SwarmError, toSwarmError } from '../errors.js';
import { decodeBencode, encodeBencode } from '../metainfo/bencode.js';
import { networkFault } from '../network-fault.js';
import { secretBytes, secretInt, systemClock } from '../system.js';
import { isTimeUp, withinTime } from '../time-limit.js';
import type { PeerAddress } from '../units.js';
import { USER_AGENT } from '../version.js';
import { createPeerId } from '../wire/peer-id.js';
import { bad, type Finding, good, warning } from './finding.js';

const TRACKER_MS = 10_000;
const RESOLVE_MS = 5_000;
const DHT_ATTEMPTS_MS = [1_000, 2_000];

const ADVICE: Partial<Record<ErrorCode, string>> = {
  TRACKER_FORBIDDEN_ADDRESS: 'Check the URL, which mostly ends in /announce; nobody was asked.',
  TRACKER_BAD_ANSWER: 'Check the URL: who answers there is no tracker, or is out of order.',
  TRACKER_UNREACHABLE: 'Try again later, or from another network: some block trackers, or UDP.',
};

interface TrackerCheckOptions {
  readonly timeoutMs?: number;
  /** What its clock says, in milliseconds since 1970. */
  readonly onDate?: (atMs: number) => void;
}

/** Says goodbye to a swarm that nobody has: the tracker answers, and has nothing to remember. */
export async function checkTracker(
  url: string,
  port: number,
  { binding, resolveToConnect: resolve, local }: Egress,
  signal: AbortSignal,
  { timeoutMs = TRACKER_MS, onDate = () => {} }: TrackerCheckOptions = {},
): Promise<Finding> {
  const udp = new UdpTrackerSockets({ clock: systemClock, binding });
  const startedAt = performance.now();
  let shown = url;
  let externalIp: string | null = null;
  try {
    shown = parseTrackerUrl(url).text;
    const endpoint = new TrackerEndpoint(url, {
      ...{ resolve, binding, udp, userAgent: USER_AGENT, onDate },
      families: binding.proxy === undefined && local !== undefined ? local.families : [4, 6],
    });
    const request: AnnounceRequest = {
      ...{ infoHash: secretBytes(20), peerId: createPeerId(secretBytes(12)), key: secretInt(2 ** 32), port },
      ...{ uploadedBytes: 0, downloadedBytes: 0, leftBytes: 0 },
      event: 'stopped',
      numWant: 0,
    };
    const announce = (limited: AbortSignal) =>
      endpoint.announce(request, limited, (answer) => {
        externalIp = answer.externalIp ?? externalIp;
      });
    await withinTime(timeoutMs, announce, signal);
    const ms = Math.round(performance.now() - startedAt);
    return good('tracker', `${shown} answers after ${ms} ms`, { url: shown, ms, externalIp });
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message, hint } = trackerError(thrown, timeoutMs);
    const ms = Math.round(performance.now() - startedAt);
    // Some serve only the torrents that they know.
    if (code === 'TRACKER_REFUSED')
      return good('tracker', `${shown} answers after ${ms} ms, for its own torrents only`, {
        url: shown,
        ms,
      });
    return bad('tracker', code, `${shown}: ${message}`, {
      advice: hint ?? ADVICE[code] ?? 'See the ways out above.',
      details: { url: shown, code },
    });
  } finally {
    udp.close();
  }
}

function trackerError(thrown: unknown, timeoutMs: number): SwarmError {
  if (isTimeUp(thrown)) return new SwarmError('TRACKER_UNREACHABLE', `no answer in ${timeoutMs / 1000} s`);
  return toSwarmError(thrown, 'TRACKER_UNREACHABLE');
}

/** Asks a node of the DHT whether it is there (`ping` of BEP 5). */
export async function checkDhtNode(node: PeerAddress, egress: Egress, signal: AbortSignal): Promise<Finding> {
  const shown = `${node.host} port ${node.port}`;
  const advice = 'Try another node; where none answers, this network blocks UDP.';
  try {
    const hosts = await addressesOf(node, egress, signal);
    const { answered, ms, host } = await pingFirst(hosts, node.port, egress, signal);
    const details = { host, port: node.port, ms };
    if (answered) return good('dht', `the node ${shown} answers after ${ms} ms`, details);
    return bad('dht', 'PEERS_NONE', `the node ${shown} does not answer`, { advice, details });
  } catch (thrown) {
    signal.throwIfAborted();
    const message = thrown instanceof SwarmError ? thrown.message : networkFault(thrown as Error);
    return bad('dht', 'PEERS_NONE', `the node ${shown}: ${message}`, { advice, details: { ...node } });
  }
}

/** Whether anybody answers of whom the DHT is joined through: where nobody does, it is UDP that does not get through. */
export async function checkDhtEntry(
  nodes: readonly PeerAddress[],
  egress: Egress,
  signal: AbortSignal,
): Promise<Finding> {
  const outcomes = await Promise.all(
    nodes.map(async (node) => {
      const hosts = await addressesOf(node, egress, signal).catch(() => undefined);
      if (hosts === undefined) return 'nameless';
      const pinged = pingFirst(hosts, node.port, egress, signal);
      return (await pinged.then(({ answered }) => answered).catch(() => false)) ? 'answers' : 'silent';
    }),
  );
  signal.throwIfAborted();
  const answering = outcomes.filter((outcome) => outcome === 'answers').length;
  const nameless = outcomes.filter((outcome) => outcome === 'nameless').length;
  const details = { asked: nodes, answering, nameless };
  if (answering > 0)
    return good('dht', `${answering} of ${nodes.length} public nodes answer: UDP gets through`, details);
  if (nameless === nodes.length)
    return warning('dht', 'the names of the public nodes cannot be looked up', {
      advice: 'Check the name servers; a node can be named by its address with --dht-bootstrap IP:PORT.',
      details,
    });
  return warning('dht', `none of ${nodes.length} public nodes answers: UDP seems to be blocked`, {
    advice:
      'Let UDP out through the firewall, or use another network or a VPN (--bind); without it there is no DHT and no ' +
      'UDP tracker, so a magnet link must name an HTTP tracker or a peer.',
    details,
  });
}

/** One of each family. @throws where there is none */
async function addressesOf(
  { host: name }: PeerAddress,
  { resolve }: Egress,
  signal: AbortSignal,
): Promise<readonly [string, ...string[]]> {
  const all = isIP(name) === 0 ? await withinTime(RESOLVE_MS, (by) => resolve(name, by), signal) : [name];
  const [first, ...rest] = [all.find(isIPv4), all.find(isIPv6)].filter((host) => host !== undefined);
  if (first === undefined) throw new Error('the name has no address');
  return [first, ...rest];
}

/** One after the other. @throws the fault of the last */
async function pingFirst(
  [host, ...others]: readonly [string, ...string[]],
  port: number,
  egress: Egress,
  signal: AbortSignal,
): Promise<{ readonly host: string; readonly answered: boolean; readonly ms: number }> {
  const [next, ...rest] = others;
  const startedAt = performance.now();
  const pinged = ping({ host, port }, egress.binding, signal);
  const answered = next === undefined ? await pinged : await pinged.catch(() => false);
  if (answered || next === undefined)
    return { host, answered, ms: Math.round(performance.now() - startedAt) };
  return pingFirst([next, ...rest], port, egress, signal);
}

function ping({ host, port }: PeerAddress, binding: SocketBinding, signal: AbortSignal): Promise<boolean> {
  const transaction = secretBytes(4);
  const query = encodeBencode({
    a: { id: secretBytes(20) },
    q: new TextEncoder().encode('ping'),
    t: transaction,
    y: new TextEncoder().encode('q'),
  });
  return new Promise((resolve, reject) => {
    binding.sourceFor(host);
    const socket = datagramFrom(binding, isIPv6(host) ? 6 : 4, 0, (error) => settle(() => reject(error)));
    const timers: NodeJS.Timeout[] = [];
    let settled = false;
    const settle = (run: () => void): void => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      closeQuietly(socket);
      run();
    };
    const abort = (): void => settle(() => reject(signal.reason));
    const send = (): void => {
      if (!settled) socket.send(query);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.on('message', (packet) => {
      if (isPong(packet, transaction)) settle(() => resolve(true));
    });
    socket.connect(port, host, () => {
      send();
      let at = 0;
      for (const ms of DHT_ATTEMPTS_MS) {
        at += ms;
        const isLast = ms === DHT_ATTEMPTS_MS.at(-1);
        timers.push(setTimeout(isLast ? () => settle(() => resolve(false)) : send, at));
      }
    });
  });
}

function isPong(packet: Uint8Array, transaction: Uint8Array): boolean {
  try {
    const answer = decodeBencode(packet);
    if (!(answer instanceof Map)) return false;
    const [id, values] = [answer.get('t'), answer.get('r')];
    return id instanceof Uint8Array && Buffer.from(id).equals(transaction) && values instanceof Map;
  } catch {
    return false;
  }
}
