/** Virtual dialer: connections cost round trips, some hosts accept none, and few attempts are made at a time. */
import type { Clock, CloseReason, PeerConnection, PeerDialer, Rng } from '../engine/ports.js';
import { asMillis, type PeerAddress } from '../engine/units.js';
import type { Host } from './host.js';
import type { VirtualConnection } from './virtual-connection.js';

/** Attempts of one host under way at once, as the engine's default; further ones wait. */
const MAX_HALF_OPEN = 96;
/** How long somebody who does not answer is waited for, unless the swarm says. */
const CONNECT_MS = 10_000;

export interface DialerWorld {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly oneWayMs: number;
  /** A dial's chance to find nobody. */
  readonly dialLoss: number;
  hostAt(address: PeerAddress): Host | undefined;
  connect(
    from: Host,
    to: Host,
  ): { readonly dialled: VirtualConnection; readonly accepted: VirtualConnection };
}

type Done = (result: PeerConnection | CloseReason) => void;

interface Attempt {
  readonly address: PeerAddress;
  readonly done: Done;
  readonly connectMs: number;
  isOver: boolean;
}

export class VirtualDialer implements PeerDialer {
  readonly #world: DialerWorld;
  readonly #from: Host;
  readonly #waiting: Attempt[] = [];
  #halfOpen = 0;

  constructor(world: DialerWorld, from: Host) {
    this.#world = world;
    this.#from = from;
  }

  dial(address: PeerAddress, _identity: unknown, done: Done, connectMs = CONNECT_MS): () => void {
    const attempt: Attempt = { address, done, connectMs, isOver: false };
    if (this.#halfOpen < MAX_HALF_OPEN) this.#start(attempt);
    else this.#waiting.push(attempt);
    return () => {
      attempt.isOver = true;
    };
  }

  #start(attempt: Attempt): void {
    this.#halfOpen++;
    const { rng, dialLoss, oneWayMs } = this.#world;
    const host = this.#world.hostAt(attempt.address);
    const isSilent = host === undefined || !host.isReachable || (dialLoss > 0 && rng() < dialLoss);
    if (isSilent) this.#later(attempt.connectMs, () => this.#fail(attempt, 'timeout', 'no answer'));
    else if (!host.isOnline) this.#later(2 * oneWayMs, () => this.#fail(attempt, 'network', 'refused'));
    // SYN, its answer, then the handshake.
    else this.#later(3 * oneWayMs, () => this.#accept(attempt, host));
  }

  #accept(attempt: Attempt, host: Host): void {
    if (attempt.isOver || !this.#from.isOnline) this.#finish();
    else if (!host.isOnline) this.#fail(attempt, 'network', 'gone');
    else {
      const { dialled, accepted } = this.#world.connect(this.#from, host);
      this.#later(this.#world.oneWayMs, () => {
        this.#finish();
        if (attempt.isOver) dialled.close('not wanted any more');
        else {
          attempt.isOver = true;
          attempt.done(dialled);
          dialled.extendedHandshake();
        }
      });
      host.swarm.onIncoming(accepted);
      accepted.extendedHandshake();
    }
  }

  #fail(attempt: Attempt, kind: CloseReason['kind'], text: string): void {
    this.#finish();
    if (attempt.isOver) return;
    attempt.isOver = true;
    attempt.done({ kind, text });
  }

  #finish(): void {
    this.#halfOpen--;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next);
  }

  #later(ms: number, run: () => void): void {
    this.#world.clock.schedule(asMillis(this.#world.clock.now() + ms), run);
  }
}
