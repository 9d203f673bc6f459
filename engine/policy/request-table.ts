/**
 * Request table: who was asked for what, oldest first. Each request sits in a numbered cell given by the
 * caller; the cells of one peer are a doubly linked list, so asking, answering and leaving cost O(1) each.
 */

const NONE = -1;
/** A cell's integers, side by side, so that a request is one line of cache: whose it is, and its neighbours in the list. */
const PEER = 0;
const NEXT = 1;
const PREVIOUS = 2;
const CELL = 3;
/** A peer's: the ends of its list, how long that is, and where the peer is among the busy ones. */
const OLDEST = 0;
const NEWEST = 1;
const COUNT = 2;
const BUSY_AT = 3;
const RECORD = 4;

export class RequestTable {
  /** `CELL` integers a cell; NONE where it is free. */
  #cells = new Int32Array(0);
  /** `RECORD` integers a peer. */
  #peers = new Int32Array(0);
  #total = 0;
  /** Peers with requests, in no order. */
  readonly #busy: number[] = [];

  /** Makes cells [0, cellCount) usable. */
  reserve(cellCount: number): void {
    this.#cells = grown(this.#cells, cellCount * CELL, NONE);
  }

  /** All requests. */
  get total(): number {
    return this.#total;
  }

  /** Whose request is in the cell; −1 when none. */
  peerAt(cell: number): number {
    return this.#cells[cell * CELL + PEER]!;
  }

  countOf(peer: number): number {
    return this.#peers[peer * RECORD + COUNT] ?? 0;
  }

  /** Peers with requests, in no order. */
  get busyPeers(): readonly number[] {
    return this.#busy;
  }

  /** The cell of the peer's oldest request; −1 when it has none. */
  oldestOf(peer: number): number {
    return this.#peers[peer * RECORD + OLDEST] ?? NONE;
  }

  /** The same peer's next younger request; −1 at the end. */
  after(cell: number): number {
    return this.#cells[cell * CELL + NEXT]!;
  }

  /** The cell of the peer's newest request; −1 when it has none. */
  newestOf(peer: number): number {
    return this.#peers[peer * RECORD + NEWEST] ?? NONE;
  }

  /** The same peer's next older request; −1 at the end. */
  before(cell: number): number {
    return this.#cells[cell * CELL + PREVIOUS]!;
  }

  /** The cell must be free. */
  add(cell: number, peer: number): void {
    if (peer * RECORD >= this.#peers.length) this.#admit(peer);
    const cells = this.#cells;
    const peers = this.#peers;
    const at = cell * CELL;
    const record = peer * RECORD;
    const newest = peers[record + NEWEST]!;
    if (newest === NONE) peers[record + OLDEST] = cell;
    else cells[newest * CELL + NEXT] = cell;
    cells[at + PEER] = peer;
    cells[at + PREVIOUS] = newest;
    cells[at + NEXT] = NONE;
    peers[record + NEWEST] = cell;
    if (peers[record + COUNT]!++ === 0) peers[record + BUSY_AT] = this.#busy.push(peer) - 1;
    this.#total++;
  }

  /** The cell must be taken. */
  remove(cell: number): void {
    const cells = this.#cells;
    const peers = this.#peers;
    const at = cell * CELL;
    const peer = cells[at + PEER]!;
    const record = peer * RECORD;
    const next = cells[at + NEXT]!;
    const previous = cells[at + PREVIOUS]!;
    if (previous === NONE) peers[record + OLDEST] = next;
    else cells[previous * CELL + NEXT] = next;
    if (next === NONE) peers[record + NEWEST] = previous;
    else cells[next * CELL + PREVIOUS] = previous;
    cells[at + PEER] = NONE;
    if (--peers[record + COUNT]! === 0) this.#leaveBusy(peer);
    this.#total--;
  }

  #leaveBusy(peer: number): void {
    const at = this.#peers[peer * RECORD + BUSY_AT]!;
    const last = this.#busy.pop()!;
    if (last === peer) return;
    this.#busy[at] = last;
    this.#peers[last * RECORD + BUSY_AT] = at;
  }

  #admit(peer: number): void {
    const before = this.#peers.length;
    this.#peers = grown(this.#peers, (peer + 1) * RECORD, NONE);
    for (let at = before + COUNT; at < this.#peers.length; at += RECORD) this.#peers[at] = 0;
  }
}

/** The array itself when it is long enough, else a copy at least twice as long, filled up with `fill`. */
export function grown(array: Int32Array<ArrayBuffer>, length: number, fill: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const longer = new Int32Array(Math.max(length, array.length * 2, 16)).fill(fill, array.length);
  longer.set(array);
  return longer;
}
