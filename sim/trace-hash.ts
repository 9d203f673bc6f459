/** Trace hash: 64 bits over every message delivered, in order. Two runs with one hash were the same run. */

export class TraceHash {
  count = 0;
  #low = 0x811c9dc5 | 0;
  #high = 0x9e3779b9 | 0;

  add(now: number, end: number, kind: number, piece: number, begin: number): void {
    this.count++;
    this.#mix(now);
    this.#mix((end << 4) ^ kind);
    this.#mix((piece << 8) ^ begin);
  }

  /** 16 hex digits. */
  digest(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul((this.#high ^ value) + (this.#low >>> 15), 0x85ebca6b);
    this.#high ^= this.#high >>> 13;
  }
}
