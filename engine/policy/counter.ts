/** Counter: how many of each key, such as a network; keys with none take no memory. */
export class Counter {
  readonly #counts = new Map<string, number>();

  get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** @returns how many there are then */
  add(key: string, change: number): number {
    const count = this.get(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
    return count;
  }

  /** The key with the highest count, `except` aside. */
  largest(except: string): string | undefined {
    let largest: string | undefined;
    for (const key of this.#counts.keys()) {
      if (key !== except && (largest === undefined || this.get(key) > this.get(largest))) largest = key;
    }
    return largest;
  }
}
