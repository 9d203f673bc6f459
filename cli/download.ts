/** Download: one source of `swarm get`, from the search for what a link names to a complete torrent. */
import { type MetadataFetch, SwarmError, type Torrent } from '../engine/index.js';
import { UsageError } from './command.js';
import type { Watched } from './idle-watch.js';

export class Download {
  /** When all is there. Rejects with `error`. */
  readonly completed: Promise<void>;
  readonly #fetch: MetadataFetch | undefined;
  #torrent: Torrent | undefined;
  #error: Error | null = null;

  /** @param adding the torrent, once what the link names is known */
  constructor(fetch: MetadataFetch | undefined, adding: Promise<Torrent>) {
    this.#fetch = fetch;
    this.completed = adding.then(
      (torrent) => {
        this.#torrent = torrent;
        return torrent.completed;
      },
      (thrown: unknown) => {
        this.#error = toError(thrown);
        throw thrown;
      },
    );
    this.completed.catch(() => {});
  }

  static of(torrent: Torrent): Download {
    const download = new Download(undefined, Promise.resolve(torrent));
    download.#torrent = torrent;
    return download;
  }

  /** Undefined while it is searched for. */
  get torrent(): Torrent | undefined {
    return this.#torrent;
  }

  get error(): Error | null {
    return this.#error ?? this.#torrent?.error ?? null;
  }

  get watched(): Watched {
    const torrent = this.#torrent;
    if (torrent === undefined) {
      // Peers come and go: only what was fetched from them counts.
      const checkedShare = this.#fetch?.snapshot().metadata?.share ?? 0;
      return { phase: 'metadata', downloadedBytes: 0, checkedShare };
    }
    // A snapshot is dear while pieces come in, and tells nothing then that is not told for less.
    const checkedShare = torrent.phase === 'checking' ? torrent.snapshot().checkedShare : 1;
    return { phase: torrent.phase, downloadedBytes: torrent.transferred.downloadedBytes, checkedShare };
  }
}

export const toError = (thrown: unknown): SwarmError | UsageError =>
  thrown instanceof SwarmError || thrown instanceof UsageError
    ? thrown
    : new SwarmError('INTERNAL', String(thrown), {}, { cause: thrown });
