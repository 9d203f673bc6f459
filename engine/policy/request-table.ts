/**
 * Request table: who was asked for what, oldest first. Each request sits in a numbered cell given by the
 * caller; the cells of one peer are a doubly linked list, so asking, answering and leaving cost O(1) each.
 */

const NONE = -1;

export class RequestTable {
  /** By cell; NONE when free. */
  #peer = new Int32Array(0);
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  /** By peer. */
  #oldest = new Int32Array(0);
  #newest = new Int32Array(0);
  #count = new Int32Array(0);
  #total = 0;
  /** Peers with requests, in no order, and where each is there. */
  readonly #busy: number[] = [];
  #busyAt = new Int32Array(0);

  /** Makes cells [0, cellCount) usable. */
  reserve(cellCount: number): void {
    this.#peer = grown(this.#peer, cellCount, NONE);
    this.#next = grown(this.#next, cellCount, NONE);
    this.#previous = grown(this.#previous, cellCount, NONE);
  }

  /** All requests. */
  get total(): number {
    return this.#total;
  }

  /** Whose request is in the cell; −1 when none. */
  peerAt(cell: number): number {
    return this.#peer[cell]!;
  }

  countOf(peer: number): number {
    return this.#count[peer] ?? 0;
  }

  /** Peers with requests, in no order. */
  get busyPeers(): readonly number[] {
    return this.#busy;
  }

  /** The cell of the peer's oldest request; −1 when it has none. */
  oldestOf(peer: number): number {
    return this.#oldest[peer] ?? NONE;
  }

  /** The same peer's next younger request; −1 at the end. */
  after(cell: number): number {
    return this.#next[cell]!;
  }

  /** The cell of the peer's newest request; −1 when it has none. */
  newestOf(peer: number): number {
    return this.#newest[peer] ?? NONE;
  }

  /** The same peer's next older request; −1 at the end. */
  before(cell: number): number {
    return this.#previous[cell]!;
  }

  /** The cell must be free. */
  add(cell: number, peer: number): void {
    if (peer >= this.#count.length) this.#admit(peer);
    const newest = this.#newest[peer]!;
    if (newest === NONE) this.#oldest[peer] = cell;
    else this.#next[newest] = cell;
    this.#peer[cell] = peer;
    this.#previous[cell] = newest;
    this.#next[cell] = NONE;
    this.#newest[peer] = cell;
    if (this.#count[peer]!++ === 0) this.#busyAt[peer] = this.#busy.push(peer) - 1;
    this.#total++;
  }

  /** The cell must be taken. */
  remove(cell: number): void {
    const peer = this.#peer[cell]!;
    const next = this.#next[cell]!;
    const previous = this.#previous[cell]!;
    if (previous === NONE) this.#oldest[peer] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#newest[peer] = previous;
    else this.#previous[next] = previous;
    this.#peer[cell] = NONE;
    if (--this.#count[peer]! === 0) this.#leaveBusy(peer);
    this.#total--;
  }

  #leaveBusy(peer: number): void {
    const at = this.#busyAt[peer]!;
    const last = this.#busy.pop()!;
    if (last === peer) return;
    this.#busy[at] = last;
    this.#busyAt[last] = at;
  }

  #admit(peer: number): void {
    this.#oldest = grown(this.#oldest, peer + 1, NONE);
    this.#newest = grown(this.#newest, peer + 1, NONE);
    this.#count = grown(this.#count, peer + 1, 0);
    this.#busyAt = grown(this.#busyAt, peer + 1, NONE);
  }
}

/** The array itself when it is long enough, else a copy at least twice as long, filled up with `fill`. */
export function grown(array: Int32Array<ArrayBuffer>, length: number, fill: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const longer = new Int32Array(Math.max(length, array.length * 2, 16)).fill(fill, array.length);
  longer.set(array);
  return longer;
}
