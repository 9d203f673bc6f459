/** A SOCKS5 proxy that says what a test tells it to, whatever it is asked. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { Scope } from './clients.js';

/** What is said after each thing that the client says; it leaves or resets right after the word before. */
export type Script = readonly (Uint8Array | 'close' | 'reset' | 'endless')[];

export const METHOD = Uint8Array.of(5, 0);
export const CONNECTED = Uint8Array.of(5, 0, 0, 1, 11, 1, 0, 2, 0x1a, 0xe1);

export class HostileProxy {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #script: Script;

  private constructor(script: Script) {
    this.#script = script;
  }

  static async start(scope: Scope, script: Script): Promise<HostileProxy> {
    const proxy = new HostileProxy(script);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    scope.after(() => {
      proxy.#server.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Somebody is connected. */
  async met(): Promise<void> {
    if (this.#sockets.size === 0) await once(this.#server, 'connection');
  }

  /** Nobody is connected any more. */
  async left(): Promise<void> {
    const closed = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    await Promise.all(closed);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
    const script = [...this.#script];
    const goOn = async (): Promise<void> => {
      await this.#say(socket, script.shift());
      if (script[0] === 'close' || script[0] === 'reset') await this.#say(socket, script.shift());
    };
    if (script[0] === 'close') socket.destroy();
    socket.on('data', () => void goOn());
  }

  async #say(socket: Socket, what: Script[number] | undefined): Promise<void> {
    if (what === 'close') socket.end();
    else if (what === 'reset') socket.resetAndDestroy();
    else if (what === 'endless') {
      const zeros = Buffer.alloc(64 * 1024, 5);
      while (!socket.destroyed) if (!socket.write(zeros)) await turn();
    } else if (what !== undefined) socket.write(what);
  }
}
