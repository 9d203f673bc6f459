/** Torrent events: tells those who listen to one torrent what happens, whatever they do with it. */
import { toSwarmError } from './errors.js';
import type { TorrentEvent, TrackerSnapshot } from './snapshot.js';

export class TorrentEvents {
  readonly #listeners = new Set<(event: TorrentEvent) => void>();
  readonly #onFault: (text: string) => void;
  /** State and message that were told last, by URL. */
  readonly #trackersTold = new Map<string, string>();

  /** @param onFault a listener threw */
  constructor(onFault: (text: string) => void) {
    this.#onFault = onFault;
  }

  /** @returns takes the listener off */
  on(listener: (event: TorrentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: TorrentEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (thrown) {
        // We are inside a socket's or a worker's call: a listener's fault must not stop the swarm.
        this.#onFault(`a listener failed at "${event.type}": ${toSwarmError(thrown).message}`);
      }
    }
  }

  /** Each tracker whose state or message is another than the last one told. */
  tellTrackers(trackers: readonly TrackerSnapshot[]): void {
    for (const { url, state, message } of trackers) {
      const told = `${state} ${message}`;
      if (this.#trackersTold.get(url) === told) continue;
      this.#trackersTold.set(url, told);
      this.emit({ type: 'tracker', url, state, message });
    }
  }
}
