/**
 * Multicast socket: one UDP socket of one address family that is a member of a group on every suitable interface,
 * and sends to it on each of them. What an interface cannot do is left out; the others work on.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { BlockList, isIP } from 'node:net';
import { ownInterfaces } from '../own-interfaces.js';

export interface MulticastOptions {
  readonly family: 4 | 6;
  readonly group: string;
  readonly port: number;
  /** Only the interface that has this address; undefined: all but loopback; null: none now. */
  readonly host: () => string | undefined | null;
  /** A zone is part of a link-local `from`. */
  onPacket(packet: Uint8Array, from: string): void;
  /** From now on `send` sends. */
  onReady(): void;
  /** The socket cannot be used (any more). */
  onError(error: Error): void;
}

/** Bridges of containers can be many; nobody has so many networks. */
const MAX_INTERFACES = 16;

interface Interface {
  /** What the system calls it for multicast: an address for IPv4, a zone for IPv6. */
  readonly name: string;
}

export class MulticastSocket {
  readonly #options: MulticastOptions;
  readonly #socket: Socket;
  readonly #joined = new Set<string>();
  /** Networks that we are in; everybody else is no neighbour, whatever reaches us. */
  #networks = new BlockList();
  #isBound = false;
  #isClosed = false;

  constructor(options: MulticastOptions) {
    this.#options = options;
    const { family, port } = options;
    this.#socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      // Other clients on this machine listen there too.
      reuseAddr: true,
      ipv6Only: family === 6,
      // Called at once: `send` goes out while the interface chosen for it is still chosen.
      lookup: (host, _options, done) => done(null, host, family),
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('message', (packet, from) => this.#onMessage(packet, from));
    this.#socket.bind({ port, exclusive: false }, () => {
      if (this.#isClosed) return;
      this.#isBound = true;
      this.#join();
      options.onReady();
    });
  }

  get isReady(): boolean {
    return this.#isBound && !this.#isClosed;
  }

  /** To the group, once on each interface; where nothing leads, to nobody. */
  send(packet: Uint8Array): void {
    if (!this.isReady) return;
    for (const { name } of this.#join()) {
      try {
        this.#socket.setMulticastInterface(name);
        this.#socket.send(packet, this.#options.port, this.#options.group, () => {});
      } catch {
        // the interface went away, or takes no multicast
      }
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  /** Interfaces come and go: joins those that are new. */
  #join(): Interface[] {
    const usable: Interface[] = [];
    for (const each of this.#interfaces()) {
      if (usable.length === MAX_INTERFACES) break;
      try {
        if (!this.#joined.has(each.name)) this.#socket.addMembership(this.#options.group, each.name);
      } catch (error) {
        // It is a member already where an interface has the name of one that went away.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') continue;
      }
      this.#joined.add(each.name);
      usable.push(each);
    }
    return usable;
  }

  #interfaces(): Interface[] {
    const { family } = this.#options;
    const host = this.#options.host();
    const found = new Map<string, Interface>();
    this.#networks = new BlockList();
    for (const [zone, addresses = []] of Object.entries(ownInterfaces())) {
      for (const { address, family: its, internal, cidr } of addresses) {
        const isOurs = host === undefined ? !internal : address === host;
        if (its !== `IPv${family}` || !isOurs) continue;
        const name = family === 4 ? address : `::%${zone}`;
        found.set(name, { name });
        const bits = Number(cidr?.split('/')[1] ?? (family === 4 ? 32 : 128));
        this.#networks.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
      }
    }
    // One that comes back is joined again.
    for (const name of this.#joined) if (!found.has(name)) this.#joined.delete(name);
    return [...found.values()];
  }

  #onMessage(packet: Buffer, { address, port }: RemoteInfo): void {
    const [plain = ''] = address.split('%');
    if (port === 0 || isIP(plain) === 0) return;
    const isLinkLocal = /^fe[89ab]/i.test(plain);
    if (isLinkLocal || this.#networks.check(plain, this.#options.family === 4 ? 'ipv4' : 'ipv6'))
      this.#options.onPacket(packet, address);
  }

  #fail(error: Error): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.onError(error);
  }
}
