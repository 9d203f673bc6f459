/** A network of datagrams on a virtual clock: every pair of hosts has its own round trip, log-normal around a median. */
import type { DatagramSocket } from '../../engine/discovery/dht/datagram-socket.js';
import type { Clock } from '../../engine/ports.js';
import { addressKey, asMillis, type PeerAddress, type Rng } from '../../engine/units.js';
import { EventQueue } from '../../sim/event-queue.js';
import { VirtualClock } from '../../sim/virtual-clock.js';

const TIMER = 1;
const SIGMA = 0.5;
/** Share by which one packet differs from the next on the same way. */
const JITTER = 0.1;

export class VirtualInternet {
  readonly #queue = new EventQueue();
  readonly #clock = new VirtualClock(this.#queue, TIMER);
  readonly #sockets = new Map<string, DatagramSocket>();
  readonly #rng: Rng;
  readonly #medianMs: number;
  #isOver: () => boolean = () => false;
  packets = 0;
  bytes = 0;

  constructor(rng: Rng, medianRttMs = 100) {
    this.#rng = rng;
    this.#medianMs = medianRttMs;
  }

  get clock(): Clock {
    return this.#clock;
  }

  socketAt(address: PeerAddress): DatagramSocket {
    const key = addressKey(address);
    const socket: DatagramSocket = {
      family: address.host.includes(':') ? 6 : 4,
      port: address.port,
      onDatagram: () => {},
      send: (datagram, to) => this.#carry(datagram, address, to),
      close: () => void this.#sockets.delete(key),
    };
    this.#sockets.set(key, socket);
    return socket;
  }

  /** Runs until `isOver`, or for `ms`. @returns whether it was over */
  run(isOver: () => boolean, ms = 60_000): boolean {
    if (isOver()) return true;
    this.#isOver = isOver;
    const sink = {
      run: (node: number) => this.#clock.fire(node),
      onTickEnd: () => {
        if (this.#isOver()) this.#queue.stop();
      },
    };
    this.#queue.run(sink, this.#queue.now + ms);
    this.#isOver = () => false;
    return isOver();
  }

  roundTripMs(a: string, b: string): number {
    const [first, second] = a < b ? [a, b] : [b, a];
    const normal = gaussian(hash(`${first}|${second}`), hash(`${second}|${first}`));
    return this.#medianMs * Math.exp(SIGMA * normal);
  }

  #carry(datagram: Uint8Array, from: PeerAddress, to: PeerAddress): void {
    this.packets++;
    this.bytes += datagram.length;
    const key = addressKey(to);
    if (!this.#sockets.has(key)) return;
    const jitter = 1 + JITTER * (2 * this.#rng() - 1);
    const oneWayMs = (this.roundTripMs(from.host, to.host) / 2) * jitter;
    this.#clock.schedule(asMillis(this.#clock.now() + oneWayMs), () =>
      this.#sockets.get(key)?.onDatagram(datagram, from),
    );
  }
}

/** Two uniform numbers to a normal one (Box and Muller). */
const gaussian = (u: number, v: number): number =>
  Math.sqrt(-2 * Math.log(Math.max(u, 1e-12))) * Math.cos(2 * Math.PI * v);

/** FNV-1a with a finish, as a number in [0, 1). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
