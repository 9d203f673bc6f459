/** Proxied owner: has a peer's socket until the proxy has connected it, and hands it to who is to have it then. */
import type { CloseReason } from '../ports.js';
import type { Socks5Dialogue } from '../socks5-dialogue.js';
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
    try {
      const { send, rest } = this.dialogue.take(chunk);
      if (send !== undefined) socket.socket.write(send);
      if (rest === undefined) return;
      socket.owner = next;
      next.onConnect();
      socket.deliver(rest);
    } catch (error) {
      socket.destroy();
      next.onGone({ kind: 'network', text: (error as Error).message });
    }
  }

  onGone(reason: CloseReason): void {
    this.next.onGone({ ...reason, text: `the proxy: ${reason.text}` });
  }
}
