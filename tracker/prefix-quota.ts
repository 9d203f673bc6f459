/** Prefix quota: how many of something each address prefix has. Prefixes that have none take no memory. */
export class PrefixQuota {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Local clients, which have no prefix, always have room. */
  hasRoom(prefix: string | undefined): boolean {
    return prefix === undefined || (this.#counts.get(prefix) ?? 0) < this.#limit;
  }

  add(prefix: string | undefined): void {
    if (prefix !== undefined) this.#counts.set(prefix, (this.#counts.get(prefix) ?? 0) + 1);
  }

  remove(prefix: string | undefined): void {
    if (prefix === undefined) return;
    const left = (this.#counts.get(prefix) ?? 0) - 1;
    if (left > 0) this.#counts.set(prefix, left);
    else this.#counts.delete(prefix);
  }
}
