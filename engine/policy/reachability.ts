/**
 * Reachability: whether others can connect to us, why we think so, and the one thing that would change it. Nobody can
 * know for certain but by a connection that came, so every other statement says what it rests on.
 */
import type { MappingFailure, MappingProtocol } from '../units.js';
import { addressPrefix } from './address-prefix.js';
import { addressKind, familyOf } from './ip-address.js';

/** `outgoing only`: we connect to others, nobody connects to us. `unknown`: what we know does not tell. */
type ReachabilityState = 'direct' | 'mapped' | 'outgoing only' | 'unknown';

export interface Reachability {
  readonly state: ReachabilityState;
  /** How the router was made to forward our port, while mapped. */
  readonly how: MappingProtocol | null;
  /** Our address as the Internet knows it, as far as we know. */
  readonly externalHost: string | null;
  /** Somebody from outside has connected: no longer a guess. */
  readonly confirmed: boolean;
  /** One sentence. Untrusted: may quote the router. */
  readonly reason: string;
  /** The one thing to do, as a sentence; null where there is nothing to do. */
  readonly advice: string | null;
}

export interface ReachabilityFacts {
  /** Where we take connections; null: nowhere. */
  readonly listenHost: string | null;
  /** The user chose the port: it may be forwarded by the router's settings, which nobody tells us. Default false. */
  readonly portGiven?: boolean;
  /** Everything goes through a proxy. Default false. */
  readonly proxied?: boolean;
  /** What everything is bound to is not there. Default false. */
  readonly isAway?: boolean;
  /** Literal addresses of this machine's interfaces. */
  readonly interfaceHosts: readonly string[];
  readonly mapping: {
    readonly state: 'off' | 'searching' | 'mapped' | 'failed';
    readonly protocol: MappingProtocol | null;
    readonly externalHost: string | null;
    readonly failure: MappingFailure | null;
    /** What is behind the failure, as a sentence; empty or left out where nothing is. */
    readonly message?: string;
  };
  /** Connections that came from public addresses. */
  readonly incomingFromOutside: number;
  /** Our address as others see it, from `SeenAs`; null when they do not agree or none told. */
  readonly seenAs: string | null;
}

const NAT_ADVICE =
  "Forward the listening port to this machine in the router's settings, and give it with --listen.";

const BY_SETTINGS = 'whether it does so by its settings shows only when somebody from outside connects';
const TRY_ADVICE =
  'While swarm seed listens on the port, try it from another network (nc -vz YOUR-ADDRESS PORT); where nothing ' +
  "connects, forward it in the router's settings.";

const FAILURES: Readonly<Record<MappingFailure, readonly [reason: string, advice: string]>> = {
  'no-gateway': [
    'there is no router to ask',
    'Check the network connection: this machine has no default route.',
  ],
  'no-answer': [
    'the router does not answer to UPnP, NAT-PMP or PCP',
    "Switch on UPnP in the router's settings, or forward the listening port by hand.",
  ],
  'bad-answer': [
    "the router's answers make no sense",
    'Restart the router, or forward the listening port by hand.',
  ],
  refused: [
    'the router refuses to forward a port',
    "Allow UPnP in the router's settings, or forward the listening port by hand.",
  ],
};

export function reachability(facts: ReachabilityFacts): Reachability {
  const { listenHost, incomingFromOutside, mapping, seenAs } = facts;
  const isLocal = listenHost !== null && addressKind(listenHost) === 'loopback';
  const publicHosts = facts.interfaceHosts.filter((host) => addressKind(host) === 'public');
  const public4 = publicHosts.find((host) => !host.includes(':'));
  const mapped = mapping.state === 'mapped';
  const how = mapped ? mapping.protocol : null;
  const externalHost = seenAs ?? (mapped ? mapping.externalHost : null) ?? public4 ?? null;
  const say = (state: ReachabilityState, reason: string, advice: string | null = null): Reachability => ({
    ...{ state, externalHost, reason, advice },
    how: state === 'mapped' ? how : null,
    confirmed: listenHost !== null && !isLocal && incomingFromOutside > 0,
  });

  if (facts.proxied === true)
    return say(
      'outgoing only',
      'by a proxy nobody can connect to us, and no UDP goes: no DHT, no UDP trackers, no local discovery',
      'Where that is wanted, use a VPN and --bind instead.',
    );
  if (facts.isAway === true)
    return say('unknown', 'nothing is sent while what we are bound to is away', 'Bring it up again.');
  if (listenHost === null)
    return say(
      'outgoing only',
      'we take no connections: no port is listened on',
      'Give a port with --listen.',
    );
  if (isLocal)
    return say(
      'unknown',
      'we listen to this machine only',
      'Where others shall connect, give --listen the port alone, or --bind another interface.',
    );
  if (incomingFromOutside > 0)
    return say(mapped ? 'mapped' : 'direct', 'somebody from the Internet has connected to us');
  if (mapped) return behindRouter(mapping.externalHost, seenAs, say);
  if (public4 !== undefined)
    return say('direct', `this machine has the public address ${public4}, and nobody has connected yet`);
  if (publicHosts[0] !== undefined)
    return say(
      'unknown',
      `over IPv6 this machine has the public address ${publicHosts[0]}, which a router's firewall may keep closed`,
      "Open the listening port for IPv6 in the router's settings.",
    );
  if (mapping.state === 'searching') return say('unknown', 'the router is being asked to forward our port');
  if (mapping.failure !== null) {
    const [means, advice] = FAILURES[mapping.failure];
    // A router can fail to make sense in many ways.
    const reason = (mapping.failure === 'bad-answer' && mapping.message) || means;
    if (facts.portGiven === true && mapping.failure !== 'no-gateway')
      return say('unknown', `${reason}; ${BY_SETTINGS}`, TRY_ADVICE);
    return say('outgoing only', reason, advice);
  }
  if (facts.interfaceHosts.every((host) => ['loopback', 'link', 'none'].includes(addressKind(host))))
    return say('outgoing only', 'this machine is on no network', 'Connect it to a network.');
  const notAsked = 'this machine is behind a router that was not asked to forward a port';
  if (facts.portGiven === true) return say('unknown', `${notAsked}; ${BY_SETTINGS}`, TRY_ADVICE);
  return say('outgoing only', notAsked, NAT_ADVICE);
}

/** The router says that it forwards: whether that helps depends on where the router itself is. */
function behindRouter(
  external: string | null,
  seenAs: string | null,
  say: (state: ReachabilityState, reason: string, advice?: string) => Reachability,
): Reachability {
  const kind = external === null ? 'none' : addressKind(external);
  if (kind === 'shared')
    return say(
      'outgoing only',
      `the provider shares one public address among its customers: the router itself has only ${external}`,
      'Ask the provider for a public IPv4 address, or use IPv6.',
    );
  if (kind !== 'public' && external !== null)
    return say(
      'outgoing only',
      `the router is behind another router: its outer address is ${external}`,
      'Switch the outer router to bridge mode, or forward the listening port on both.',
    );
  if (external !== null && seenAs !== null && !seenAs.includes(':') && seenAs !== external)
    return say(
      'unknown',
      `the router says that its address is ${external}, but others see us at ${seenAs}`,
      'Switch off a VPN or proxy, or look for a second router in front of this one.',
    );
  if (external === null)
    return say('mapped', 'the router forwards our port, but does not tell its own address');
  return say('mapped', 'the router forwards our port, and nobody has connected yet');
}

/** Networks whose word is remembered; more than enough to outvote a few liars. */
const MAX_VOTERS = 64;
/** As many must agree: one peer alone could make us believe anything. */
const MIN_VOTES = 3;

/**
 * Our own address as peers tell it (`yourip` of BEP 10): one vote a network. Trackers (BEP 24) have none: who makes a
 * torrent names as many of them as he likes.
 */
export class SeenAs {
  /** By the network of who told. */
  readonly #votes = new Map<string, string>();

  /** @param from who says so @param host what they see, a literal address from the wire */
  tell(from: string, host: string): void {
    if (addressKind(host) !== 'public' || addressKind(from) !== 'public') return;
    const voter = addressPrefix(from);
    this.#votes.delete(voter);
    this.#votes.set(voter, host);
    const [oldest] = this.#votes.keys();
    if (this.#votes.size > MAX_VOTERS && oldest !== undefined) this.#votes.delete(oldest);
  }

  /** What more than half of at least three networks say of our IPv4 or IPv6 address; else null. */
  agreed(family: 4 | 6): string | null {
    const told = [...this.#votes.values()].filter((host) => familyOf(host) === family);
    const counts = new Map<string, number>();
    for (const host of told) counts.set(host, (counts.get(host) ?? 0) + 1);
    for (const [host, count] of counts) if (count >= MIN_VOTES && count * 2 > told.length) return host;
    return null;
  }

  /** The network has changed: what was said is about another address. */
  clear(): void {
    this.#votes.clear();
  }
}
