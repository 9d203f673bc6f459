/**
 * Named nodes: those that a torrent names as a way in. Each is asked once, and while no node is known up to three
 * times: a datagram may be lost, and a node may come later. What strangers make us ask (node-checks.ts) keeps none of
 * them waiting.
 */
import type { Clock, TimerHandle } from '../../ports.js';
import { addressKey, asMillis, type Millis, type PeerAddress } from '../../units.js';

/** As many as a torrent may name. */
const MAX_NAMED = 100;
/** Each waits 5 s for an answer: 100 dead ones take half a minute. */
const MAX_ASKED = 16;
const MAX_TRIES = 3;
/** Until the second try; thrice as long until the third. */
const RETRY_MS = 10_000;

export interface NamedNodesOptions {
  readonly clock: Clock;
  /** No node is known that answers. */
  isAlone(): boolean;
  ask(address: PeerAddress, done: (isThere: boolean) => void): void;
}

interface Named {
  readonly address: PeerAddress;
  tries: number;
  /** Undefined while it is asked. */
  dueAt: Millis | undefined;
}

export class NamedNodes {
  readonly #options: NamedNodesOptions;
  /** In the order in which they were named. */
  readonly #named = new Map<string, Named>();
  #asked = 0;
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: NamedNodesOptions) {
    this.#options = options;
  }

  /** Beyond the limit, for one that was asked already, or not at all. */
  add(address: PeerAddress): void {
    const key = addressKey(address);
    if (this.#isClosed || this.#named.has(key) || !this.#makeRoom()) return;
    this.#named.set(key, { address, tries: 0, dueAt: this.#options.clock.now() });
    this.#fill();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#named.clear();
  }

  #makeRoom(): boolean {
    if (this.#named.size < MAX_NAMED) return true;
    for (const [key, { tries, dueAt }] of this.#named)
      if (tries > 0 && dueAt !== undefined) return this.#named.delete(key);
    return false;
  }

  #fill(): void {
    if (this.#isClosed) return;
    const now = this.#options.clock.now();
    for (const [key, named] of this.#named) {
      if (this.#asked >= MAX_ASKED) break;
      if (named.dueAt === undefined || named.dueAt > now) continue;
      if (named.tries > 0 && !this.#options.isAlone()) this.#named.delete(key);
      else this.#ask(key, named);
    }
    this.#arm(now);
  }

  /** Those that are due wait for others to be through, who call `#fill` then. */
  #arm(now: Millis): void {
    this.#timer?.cancel();
    let next: Millis | undefined;
    for (const { dueAt } of this.#named.values())
      if (dueAt !== undefined && dueAt > now && (next === undefined || dueAt < next)) next = dueAt;
    this.#timer = next === undefined ? undefined : this.#options.clock.schedule(next, () => this.#fill());
  }

  #ask(key: string, named: Named): void {
    const { clock, ask } = this.#options;
    this.#asked++;
    named.dueAt = undefined;
    ask(named.address, (isThere) => {
      this.#asked--;
      named.tries++;
      if (isThere || named.tries === MAX_TRIES) this.#named.delete(key);
      else named.dueAt = asMillis(clock.now() + RETRY_MS * 3 ** (named.tries - 1));
      this.#fill();
    });
  }
}
