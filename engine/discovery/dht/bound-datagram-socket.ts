/** A datagram socket for as long as there is an address to bind it to: closed while that is away, opened anew after. */

import { isReachable, type SocketBinding } from '../../egress/socket-binding.js';
import type { PeerAddress } from '../../units.js';
import { type DatagramSocket, openDatagramSocket } from './datagram-socket.js';

/**
 * What goes where the binding does not lead is lost.
 * @throws SwarmError ADDRESS_UNAVAILABLE when it cannot be opened now
 */
export async function openBoundDatagramSocket(
  family: 4 | 6,
  port: number,
  binding: SocketBinding,
): Promise<DatagramSocket> {
  const socket = new BoundDatagramSocket(family, binding);
  await socket.open(port);
  return socket;
}

class BoundDatagramSocket implements DatagramSocket {
  onDatagram: DatagramSocket['onDatagram'] = () => {};
  readonly #binding: SocketBinding;
  readonly #release: () => void;
  #open: DatagramSocket | undefined;
  #port = 0;
  /** Counts losses: what was being opened before one is of no use after. */
  #losses = 0;
  #isClosed = false;

  constructor(
    readonly family: 4 | 6,
    binding: SocketBinding,
  ) {
    this.#binding = binding;
    this.#release = binding.hold({
      onLost: () => {
        this.#losses++;
        this.#open?.close();
        this.#open = undefined;
      },
      // Another program may have taken the port meanwhile, and the address may be of the other family only.
      onBack: () => void this.open(this.#port).catch(() => this.open(0).catch(() => {})),
    });
  }

  get port(): number {
    return this.#port;
  }

  async open(port: number): Promise<void> {
    const losses = this.#losses;
    const socket = await openDatagramSocket(this.family, port, undefined, this.#binding);
    if (this.#isClosed || losses !== this.#losses) {
      socket.close();
      return;
    }
    socket.onDatagram = (datagram, from) => this.onDatagram(datagram, from);
    this.#port = socket.port;
    // Of two attempts that were under way the later one counts.
    this.#open?.close();
    this.#open = socket;
  }

  send(datagram: Uint8Array, to: PeerAddress): void {
    if (this.#open !== undefined && isReachable(this.#binding, to.host)) this.#open.send(datagram, to);
  }

  close(): void {
    this.#isClosed = true;
    this.#release();
    this.#open?.close();
    this.#open = undefined;
  }
}
