/** Proxied owner: has a peer's socket until the proxy has connected it, and hands it to who is to have it then. */

import type { Socks5Dialogue } from '../egress/socks5-dialogue.js';
import type { CloseReason } from '../ports.js';
import type { PeerSocket, SocketOwner } from './peer-socket.js';

export class ProxiedOwner implements SocketOwner {
  /** Set at once. */
  socket: PeerSocket | undefined;

  constructor(
    readonly dialogue: Socks5Dialogue,
    readonly next: SocketOwner,
  ) {}

  onConnect(): void {
    this.socket?.socket.write(this.dialogue.greeting);
  }

  onChunk(chunk: Uint8Array): void {
    const { socket, next } = this;
    if (socket === undefined) return;
    const said = this.#take(chunk);
    if (said instanceof Error) {
      socket.destroy();
      next.onGone({ kind: 'network', text: said.message });
      return;
    }
    if (said.send !== undefined) socket.socket.write(said.send);
    if (said.rest === undefined) return;
    socket.owner = next;
    next.onConnect();
    socket.deliver(said.rest);
  }

  onGone(reason: CloseReason): void {
    const text =
      reason.kind === 'remote' ? 'it closed the connection' : `it cannot be reached: ${reason.text}`;
    this.next.onGone({ kind: 'network', text: `the proxy did not connect us: ${text}` });
  }

  #take(chunk: Uint8Array): ReturnType<Socks5Dialogue['take']> | Error {
    try {
      return this.dialogue.take(chunk);
    } catch (refusal) {
      return refusal as Error;
    }
  }
}
