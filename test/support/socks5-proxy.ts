/** A SOCKS5 proxy of our own (RFC 1928, 1929): CONNECT only, names by a table, everything that was asked for kept. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Scope } from './clients.js';

export interface ProxyRules {
  /** `name:password` that is wanted. */
  readonly password?: string;
  /** Where a name leads. */
  readonly names?: Readonly<Record<string, string>>;
  /** Answers in single bytes. */
  readonly drips?: boolean;
}

export class Socks5Proxy {
  /** `host:port` of each CONNECT, as it was asked for. */
  readonly asked: string[] = [];
  readonly #rules: ProxyRules;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(rules: ProxyRules) {
    this.#rules = rules;
    this.#server = createServer((socket) => {
      this.#hold(socket);
      void this.#serve(socket).catch(() => socket.destroy());
    });
  }

  static async start(scope: Scope, rules: ProxyRules = {}): Promise<Socks5Proxy> {
    const proxy = new Socks5Proxy(rules);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    scope.after(() => proxy.close());
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** With everything that goes through it. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
  }

  async #serve(socket: Socket): Promise<void> {
    const [, count = 0] = await take(socket, 2);
    const methods = await take(socket, count);
    const { password } = this.#rules;
    const method = password === undefined ? 0 : 2;
    if (!methods.includes(method)) {
      socket.end(Buffer.from([5, 0xff]));
      return;
    }
    this.#say(socket, [5, method]);
    if (password !== undefined) {
      const [, nameLength = 0] = await take(socket, 2);
      const name = await take(socket, nameLength);
      const [length = 0] = await take(socket, 1);
      const given = `${name}:${await take(socket, length)}`;
      this.#say(socket, [1, given === password ? 0 : 1]);
      if (given !== password) return;
    }
    const [, , , kind] = await take(socket, 4);
    const host = await hostOf(socket, kind);
    const port = (await take(socket, 2)).readUInt16BE(0);
    this.asked.push(`${host}:${port}`);
    const onward = connect(port, this.#rules.names?.[host] ?? host);
    this.#hold(onward);
    await once(onward, 'connect');
    this.#say(socket, [5, 0, 0, 1, 127, 0, 0, 1, 0, 0]);
    socket.pipe(onward).pipe(socket);
    socket.once('close', () => onward.destroy());
  }

  #say(socket: Socket, bytes: readonly number[]): void {
    if (this.#rules.drips) for (const byte of bytes) socket.write(Buffer.from([byte]));
    else socket.write(Buffer.from(bytes));
  }
}

async function hostOf(socket: Socket, kind: number | undefined): Promise<string> {
  if (kind === 1) return [...(await take(socket, 4))].join('.');
  if (kind === 3) return String(await take(socket, (await take(socket, 1))[0] ?? 0));
  const groups = (await take(socket, 16)).toString('hex').match(/.{4}/g) ?? [];
  return groups.join(':');
}

/** Exactly so many bytes; rejects when the other end leaves first. */
async function take(socket: Socket, bytes: number): Promise<Buffer> {
  if (bytes === 0) return Buffer.alloc(0);
  for (;;) {
    const chunk = socket.read(bytes) as Buffer | null;
    if (chunk !== null) return chunk;
    if (socket.readableEnded || socket.destroyed) throw new Error('the client left');
    await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
}
