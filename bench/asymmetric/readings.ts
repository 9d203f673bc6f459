/**
 * Readings: what the client's kernel and the router tell of a run. The same for every client: nothing is asked of the
 * client itself.
 */
import type { AsymmetricLab, QueueReading } from './lab.js';

/** Half a second: a queue of a second shows, and `ss` costs little. */
const READ_MS = 500;
/** A connection's rate is taken over so many readings. */
const RATE_READINGS = 4;

interface SocketReading {
  /** Sent and not acknowledged, and not sent yet. */
  readonly queuedBytes: number;
  readonly ackedBytes: number;
  readonly receivedBytes: number;
}

interface Reading {
  readonly atMs: number;
  readonly up: QueueReading;
  readonly down: QueueReading;
  /** By the two addresses. */
  readonly sockets: ReadonlyMap<string, SocketReading>;
}

/** Over the time between two marks. Rates in bytes a second. */
export interface Figures {
  readonly downloadRate: number;
  readonly uploadRate: number;
  /** With all headers, acknowledgements too. */
  readonly downWireRate: number;
  readonly upWireRate: number;
  /** Time that a packet of ours waits in the router; ascending, a figure a reading. */
  readonly routerMs: readonly number[];
  /** Time that a message of ours to somebody we upload to waits in its connection and in the router. */
  readonly messageMs: readonly number[];
}

/** Reads until `stop` is called. */
export class Readings {
  readonly #lab: AsymmetricLab;
  readonly #upBytesPerSecond: number;
  readonly #readings: Reading[] = [];
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(lab: AsymmetricLab, upBytesPerSecond: number) {
    this.#lab = lab;
    this.#upBytesPerSecond = upBytesPerSecond;
    this.#done = this.#readOn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  /** @param spanMs before the last reading */
  figures(spanMs: number): Figures {
    const last = this.#readings.at(-1);
    const from = this.#readings.findIndex(({ atMs }) => last !== undefined && atMs >= last.atMs - spanMs);
    const first = this.#readings[from];
    if (first === undefined || last === undefined || first === last) throw new Error('nothing was read');
    const seconds = (last.atMs - first.atMs) / 1000;
    const routerMs: number[] = [];
    const messageMs: number[] = [];
    for (let at = from; at < this.#readings.length; at++) {
      const reading = this.#readings[at];
      if (reading === undefined) continue;
      const wait = (1000 * reading.up.backlogBytes) / this.#upBytesPerSecond;
      routerMs.push(wait);
      messageMs.push(...this.#messageDelays(at, wait));
    }
    return {
      downloadRate: grown(first, last, ({ receivedBytes }) => receivedBytes) / seconds,
      uploadRate: grown(first, last, ({ ackedBytes }) => ackedBytes) / seconds,
      downWireRate: (last.down.sentBytes - first.down.sentBytes) / seconds,
      upWireRate: (last.up.sentBytes - first.up.sentBytes) / seconds,
      routerMs: ascending(routerMs),
      messageMs: ascending(messageMs),
    };
  }

  /** A line for people. */
  get latest(): string {
    const at = this.#readings.length - 1;
    const [before, now] = [this.#readings[at - 2], this.#readings[at]];
    if (before === undefined || now === undefined) return '';
    const seconds = (now.atMs - before.atMs) / 1000;
    const megabits = (bytes: number) => ((bytes * 8) / 1e6 / seconds).toFixed(2);
    const wait = (1000 * now.up.backlogBytes) / this.#upBytesPerSecond;
    const delays = [...this.#messageDelays(at, wait)].map((ms) => ms.toFixed(0));
    return [
      `down ${megabits(grown(before, now, ({ receivedBytes }) => receivedBytes))}`,
      `up ${megabits(grown(before, now, ({ ackedBytes }) => ackedBytes))}`,
      `(wire ${megabits(now.up.sentBytes - before.up.sentBytes)}) Mbit/s`,
      `router ${wait.toFixed(0)} ms`,
      `messages ${delays.join(' ')} ms`,
      `kernel ${[...now.sockets.values()].map(({ queuedBytes }) => Math.round(queuedBytes / 1024)).join(' ')} KiB`,
    ].join(' ');
  }

  /** To everybody who takes blocks of ours. */
  *#messageDelays(at: number, routerMs: number): Generator<number> {
    const now = this.#readings[at];
    const before = this.#readings[Math.max(0, at - RATE_READINGS)];
    if (now === undefined || before === undefined || now === before) return;
    for (const [key, { queuedBytes, ackedBytes }] of now.sockets) {
      const acked = ackedBytes - (before.sockets.get(key)?.ackedBytes ?? 0);
      // Requests alone are less than a block in so long.
      if (acked < 16_384 && queuedBytes < 16_384) continue;
      const bytesPerMs = Math.max(acked, 1_000) / (now.atMs - before.atMs);
      yield Math.max(routerMs, queuedBytes / bytesPerMs);
    }
  }

  async #readOn(): Promise<void> {
    while (!this.#stopped) {
      const startedAt = performance.now();
      const [up, down, lines] = await Promise.all([
        this.#lab.queue('wan'),
        this.#lab.queue('lan'),
        this.#lab.sockets(),
      ]);
      this.#readings.push({ atMs: performance.now(), up, down, sockets: new Map(lines.map(parseSocket)) });
      const rest = READ_MS - (performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, rest)));
    }
  }
}

/** `RECVQ SENDQ LOCAL REMOTE … bytes_acked:N bytes_received:N …`, as `ss` prints with a state given. */
function parseSocket(line: string): [string, SocketReading] {
  const [, queued, local, remote] = line.trim().split(/\s+/);
  const of = (name: string) => Number(new RegExp(`\\b${name}:(\\d+)`).exec(line)?.[1] ?? 0);
  const reading = {
    queuedBytes: Number(queued),
    ackedBytes: of('bytes_acked'),
    receivedBytes: of('bytes_received'),
  };
  return [`${local} ${remote}`, reading];
}

/** What a connection carried and that closed in between is not counted: nobody here closes any. */
function grown(first: Reading, last: Reading, pick: (socket: SocketReading) => number): number {
  let sum = 0;
  for (const [key, socket] of last.sockets) {
    const before = first.sockets.get(key);
    sum += pick(socket) - (before === undefined ? 0 : pick(before));
  }
  return sum;
}

const ascending = (figures: number[]): number[] => figures.sort((a, b) => a - b);
