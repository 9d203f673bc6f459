/**
 * Write workers: the engine's pool of threads that hash and write pieces, shared by its torrents. A thread starts
 * when there is more to do than the running ones do, and keeps the process alive only while it has work.
 */
import { Worker } from 'node:worker_threads';
import { SwarmError } from '../errors.js';
import type { WriterTorrent } from './piece-writer.js';
import type { ToWorker, WorkerSetup, WriteAnswer, WriteJob } from './write-messages.js';

/** Who gets a torrent's answers. */
export interface WriteClient {
  onAnswer(answer: WriteAnswer): void;
  /** A thread died; jobs that it had are never answered. */
  onWorkersFailed(error: SwarmError): void;
}

interface Thread {
  readonly worker: Worker;
  readonly knows: Set<number>;
  jobs: number;
}

interface Registration {
  readonly torrent: WriterTorrent;
  readonly client: WriteClient;
}

export class WriteWorkers {
  readonly #limit: number;
  readonly #setup: WorkerSetup;
  readonly #threads: Thread[] = [];
  readonly #torrents = new Map<number, Registration>();
  #lastId = 0;
  #failure: SwarmError | undefined;

  constructor(limit: number, setup: WorkerSetup) {
    this.#limit = limit;
    this.#setup = setup;
  }

  /** @returns the torrent's number for jobs */
  register(torrent: WriterTorrent, client: WriteClient): number {
    this.#torrents.set(++this.#lastId, { torrent, client });
    return this.#lastId;
  }

  /** Answers that are still to come for it are dropped. */
  unregister(id: number): void {
    this.#torrents.delete(id);
    for (const { worker, knows } of this.#threads) {
      if (knows.delete(id)) worker.postMessage({ close: id } satisfies ToWorker);
    }
  }

  /** Starts a first thread, so that the first piece does not wait for it. */
  warm(): void {
    if (this.#threads.length === 0) this.#start();
  }

  submit(job: WriteJob): void {
    const registration = this.#torrents.get(job[0]);
    if (registration === undefined) return;
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      queueMicrotask(() => registration.client.onWorkersFailed(failure));
      return;
    }
    const thread = this.#leastBusy();
    if (!thread.knows.has(job[0])) {
      thread.knows.add(job[0]);
      thread.worker.postMessage({ open: job[0], torrent: registration.torrent } satisfies ToWorker);
    }
    if (thread.jobs++ === 0) thread.worker.ref();
    thread.worker.postMessage(job);
  }

  async close(): Promise<void> {
    this.#torrents.clear();
    this.#failure = new SwarmError('CLOSED', 'the storage is closed');
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  #leastBusy(): Thread {
    let best: Thread | undefined;
    for (const thread of this.#threads) if (best === undefined || thread.jobs < best.jobs) best = thread;
    if (best !== undefined && (best.jobs === 0 || this.#threads.length >= this.#limit)) return best;
    return this.#start();
  }

  #start(): Thread {
    const worker = new Worker(new URL('./write-worker.js', import.meta.url), {
      workerData: this.#setup,
      // Descriptors opened there are handed over to OpenFiles.
      trackUnmanagedFds: false,
      // Flags of the process (a test runner's, say) are not for its threads.
      execArgv: [],
    });
    const thread: Thread = { worker, knows: new Set(), jobs: 0 };
    worker.unref();
    worker.on('message', (answer: WriteAnswer) => {
      if (--thread.jobs === 0) worker.unref();
      this.#torrents.get(answer[0])?.client.onAnswer(answer);
    });
    worker.on('error', (cause) => this.#fail(cause));
    this.#threads.push(thread);
    return thread;
  }

  #fail(cause: unknown): void {
    this.#failure ??= new SwarmError('INTERNAL', 'a write worker died', {}, { cause });
    for (const { client } of [...this.#torrents.values()]) client.onWorkersFailed(this.#failure);
  }
}
