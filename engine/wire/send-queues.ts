/**
 * Send queues: how much of what the kernel took from us the other ends have not acknowledged, by socket. Node does not
 * tell; on Linux /proc does. Elsewhere nothing is known.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { hostBytes } from '../policy/ip-address.js';
import type { PeerSocket } from './peer-socket.js';

/** A line of this is 150 bytes: on a machine with so many sockets a look costs too much. */
const MAX_TABLE_CHARS = 2 * 1024 * 1024;
/** `  12: LOCAL:PORT REMOTE:PORT STATE TX_QUEUE:…`, all hexadecimal; established ones, and those half closed. */
const LINE = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+:[0-9A-F]{4}) 0[18] ([0-9A-F]{8}):/gm;

/** Of one socket, since its beginning. */
export interface SendQueueReading {
  /** Counts sockets up. */
  readonly id: number;
  /** What the kernel took. */
  readonly acceptedBytes: number;
  /** Of these, what the other end has not acknowledged. */
  readonly unackedBytes: number;
}

interface Watched {
  readonly id: number;
  readonly socket: PeerSocket;
  /** As in the table; undefined until it is connected. */
  key: string | undefined;
}

export class SendQueues {
  readonly #watched = new Map<PeerSocket, Watched>();
  #nextId = 0;
  #isTold = process.platform === 'linux';
  /** A socket is watched, and none was before. */
  onFirst: () => void = () => {};

  /** Until it closes. */
  watch(socket: PeerSocket): void {
    this.#watched.set(socket, { id: this.#nextId++, socket, key: undefined });
    socket.socket.once('close', () => this.#watched.delete(socket));
    if (this.#watched.size === 1) this.onFirst();
  }

  /** False: `read` has nothing to tell, now and later. */
  get isTold(): boolean {
    return this.#isTold;
  }

  get isEmpty(): boolean {
    return this.#watched.size === 0;
  }

  /** What the kernel took on all sockets that are open. */
  get acceptedBytes(): number {
    let bytes = 0;
    for (const { socket } of this.#watched.values()) bytes += socket.acceptedBytes;
    return bytes;
  }

  /** Costs milliseconds of another thread: the kernel walks its whole table of connections. */
  async read(): Promise<SendQueueReading[]> {
    const unacked = new Map<string, number>();
    const families = new Set([...this.#watched.values()].map(({ socket }) => socket.socket.remoteFamily));
    if (families.has('IPv4')) await this.#readTable('/proc/self/net/tcp', unacked);
    if (families.has('IPv6')) await this.#readTable('/proc/self/net/tcp6', unacked);
    const readings: SendQueueReading[] = [];
    for (const watched of this.#watched.values()) {
      watched.key ??= keyOf(watched.socket.socket);
      const unackedBytes = watched.key === undefined ? undefined : unacked.get(watched.key);
      if (unackedBytes === undefined) continue;
      readings.push({ id: watched.id, acceptedBytes: watched.socket.acceptedBytes, unackedBytes });
    }
    return readings;
  }

  async #readTable(path: string, unacked: Map<string, number>): Promise<void> {
    if (!this.#isTold) return;
    const table = await readFile(path, 'latin1').catch(() => undefined);
    if (table === undefined || table.length > MAX_TABLE_CHARS) this.#isTold = false;
    for (const [, localPort = '', remote = '', bytes = ''] of table?.matchAll(LINE) ?? [])
      unacked.set(`${localPort} ${remote}`, Number.parseInt(bytes, 16));
  }
}

/** Ports and the other end's address; the kernel prints an address as words of its own byte order. */
function keyOf({ localPort, remoteAddress, remotePort, remoteFamily }: Socket): string | undefined {
  if (localPort === undefined || remoteAddress === undefined || remotePort === undefined) return undefined;
  const plain = hostBytes(remoteAddress) ?? [];
  const isMapped = remoteFamily === 'IPv6' && plain.length === 4;
  const bytes = isMapped ? [...MAPPED_PREFIX, ...plain] : plain;
  let address = '';
  for (let word = 0; word < bytes.length; word += 4) {
    for (let byte = word + 3; byte >= word; byte--) address += hex(bytes[byte] ?? 0, 2);
  }
  return `${hex(localPort, 4)} ${address}:${hex(remotePort, 4)}`;
}

/** IPv4 on a socket of both families. */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
