/** Dialer: starts attempts to connect as slots allow, first come first served, over all torrents of an engine. */
import type { CloseReason, HandshakeIdentity, PeerConnection, PeerDialer } from '../ports.js';
import type { PeerAddress } from '../units.js';
import type { TcpWire } from '../wire/tcp-wire.js';
import type { ConnectionSlots } from './connection-slots.js';

/** Makes one attempt. */
type Connector = Pick<TcpWire, 'connect'>;

/** A torrent asks for few at a time and has its own list of candidates: more than this is somebody's mistake. */
const MAX_WAITING = 1_000;

interface Dial {
  readonly address: PeerAddress;
  readonly identity: HandshakeIdentity;
  readonly done: (result: PeerConnection | CloseReason) => void;
  readonly connectMs: number | undefined;
  /** Undefined while it waits. */
  abort: (() => void) | undefined;
  over: boolean;
}

export class SlottedDialer implements PeerDialer {
  readonly #connector: Connector;
  readonly #slots: ConnectionSlots;
  /** In the order of their `dial`. */
  readonly #waiting = new Set<Dial>();
  #isPaused = false;

  constructor(connector: Connector, slots: ConnectionSlots) {
    this.#connector = connector;
    this.#slots = slots;
    slots.onFreed = () => this.#startWaiting();
  }

  dial(
    address: PeerAddress,
    identity: HandshakeIdentity,
    done: (result: PeerConnection | CloseReason) => void,
    connectMs?: number,
  ): () => void {
    const dial: Dial = { address, identity, done, connectMs, abort: undefined, over: false };
    if (this.#waiting.size < MAX_WAITING) {
      this.#waiting.add(dial);
      this.#startWaiting();
    } else {
      queueMicrotask(() => {
        if (!dial.over) this.#settle(dial, { kind: 'local', text: 'too many attempts are waiting' });
      });
    }
    return () => this.#abort(dial);
  }

  /** Attempts wait until `resume`; those under way go on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#startWaiting();
  }

  #startWaiting(): void {
    if (this.#isPaused) return;
    for (const dial of this.#waiting) {
      if (!this.#slots.takeHalfOpen()) return;
      this.#waiting.delete(dial);
      dial.abort = this.#connector.connect(
        dial.address,
        dial.identity,
        (result) => this.#onResult(dial, result),
        () => this.#slots.release(),
        dial.connectMs,
      );
    }
  }

  #onResult(dial: Dial, result: PeerConnection | CloseReason): void {
    // The owner hears first: what it does now, closing included, is done before slots are handed on.
    this.#settle(dial, result);
    this.#slots.settle();
    if ('kind' in result) this.#slots.release();
  }

  #settle(dial: Dial, result: PeerConnection | CloseReason): void {
    dial.over = true;
    dial.done(result);
  }

  #abort(dial: Dial): void {
    if (dial.over) return;
    dial.over = true;
    if (dial.abort === undefined) {
      this.#waiting.delete(dial);
      return;
    }
    dial.abort();
    this.#slots.settle();
    this.#slots.release();
  }
}
