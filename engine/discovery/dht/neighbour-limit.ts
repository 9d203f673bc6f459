/**
 * Neighbour limit: how many neighbours that local discovery heard of are asked whether they are DHT nodes. Datagrams
 * of the local network may be forged, and a neighbour is worth asking only while we know few others.
 */
import type { Millis } from '../../units.js';

const WINDOW_MS = 60_000;
const MAX_PER_WINDOW = 8;
/** With so many nodes the table has a way in, and fills by itself. */
const FEW_NODES = 32;

export class NeighbourLimit {
  #windowAt: Millis | undefined;
  /** Hosts that were asked in this window. */
  readonly #hosts = new Set<string>();

  /** @param nodes how many are known */
  admits(host: string, nodes: number, now: Millis): boolean {
    if (this.#windowAt === undefined || now - this.#windowAt >= WINDOW_MS) {
      this.#windowAt = now;
      this.#hosts.clear();
    }
    if (nodes >= FEW_NODES || this.#hosts.has(host) || this.#hosts.size >= MAX_PER_WINDOW) return false;
    this.#hosts.add(host);
    return true;
  }
}
