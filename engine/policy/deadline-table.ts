/** Deadline table: a binary heap of (key, time) rows, earliest first. */
import type { Millis } from '../units.js';

interface Row<K> {
  readonly key: K;
  at: Millis;
  /** Where it is in the heap. */
  index: number;
}

export class DeadlineTable<K> {
  readonly #rows = new Map<K, Row<K>>();
  readonly #heap: Row<K>[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** Replaces the key's deadline. */
  set(key: K, at: Millis): void {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { key, at, index: this.#heap.length };
      this.#rows.set(key, row);
      this.#heap.push(row);
    }
    row.at = at;
    this.#sink(this.#rise(row));
  }

  clear(key: K): void {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    this.#rows.delete(key);
    const last = this.#heap.pop();
    if (last === undefined || last === row) return;
    this.#place(last, row.index);
    this.#sink(this.#rise(last));
  }

  /** Takes out the row with the earliest deadline. */
  takeEarliest(): K | undefined {
    const row = this.#heap[0];
    if (row === undefined) return undefined;
    this.clear(row.key);
    return row.key;
  }

  #rise(row: Row<K>): Row<K> {
    while (row.index > 0) {
      const parent = this.#heap[(row.index - 1) >>> 1]!;
      if (parent.at <= row.at) break;
      this.#exchange(row, parent);
    }
    return row;
  }

  #sink(row: Row<K>): void {
    for (;;) {
      const left = this.#heap[2 * row.index + 1];
      const right = this.#heap[2 * row.index + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || row.at <= child.at) return;
      this.#exchange(row, child);
    }
  }

  #exchange(a: Row<K>, b: Row<K>): void {
    const index = a.index;
    this.#place(a, b.index);
    this.#place(b, index);
  }

  #place(row: Row<K>, index: number): void {
    row.index = index;
    this.#heap[index] = row;
  }
}
