/**
 * Seed turns: how evenly seeds give their slots to equals, that is to peers of one group: same link, same behaviour.
 *
 * A slot that is given is a lot drawn among those equals who want one at that moment, so each of them could expect a
 * part of it. What counts is how many slots each got over how many it could expect, for peers come and go, and a slot is
 * worth more where few want it. Of different groups nothing is said: a seed's turns end by bytes, sooner on quick links.
 * Nor is it said whom a super-seed shows pieces: who passes them on is to see more, and who sees none wants no slot.
 */

/** No turn of the engine's is longer: who keeps a slot beyond is given it again. */
const LONGEST_TURN_MS = 180_000;
/** Who could expect fewer slots may have had none by chance. */
const LEAST_EXPECTED = 2;
/** Where only a few could expect so many, they are those who waited longest: nothing was said of the lucky ones. */
const LEAST_EQUALS = 5;

export interface SeedNeighbour {
  readonly name: string;
  readonly group: string;
  readonly isInterested: boolean;
  readonly isChoked: boolean;
}

/** What one peer had of one seed. */
interface Account {
  readonly group: string;
  given: number;
  expected: number;
  /** When its turn began; undefined without a slot. */
  sinceMs: number | undefined;
}

export class SeedTurns {
  /** By seed and peer. */
  readonly #accounts = new Map<string, Account>();

  look(nowMs: number, seed: string, neighbours: readonly SeedNeighbour[]): void {
    const draws = new Map<string, { given: number; among: Account[] }>();
    for (const { name, group, isInterested, isChoked } of neighbours) {
      const account = this.#accountOf(`${seed} ${name}`, group);
      const hasSlot = isInterested && !isChoked;
      if (!hasSlot) account.sinceMs = undefined;
      if (!isInterested) continue;
      const isGiven = hasSlot && nowMs - (account.sinceMs ?? Number.NEGATIVE_INFINITY) >= LONGEST_TURN_MS;
      if (hasSlot && !isGiven) continue;
      const draw = draws.get(group) ?? { given: 0, among: [] };
      draws.set(group, draw);
      draw.among.push(account);
      if (!isGiven) continue;
      draw.given++;
      account.given++;
      account.sinceMs = nowMs;
    }
    for (const { given, among } of draws.values())
      for (const account of among) account.expected += given / among.length;
  }

  /** Jain's index, of the group where it is least: 1 when all are equal. Undefined with nobody to compare. */
  get fairness(): number | undefined {
    const byGroup = new Map<string, number[]>();
    for (const { group, given, expected } of this.#accounts.values()) {
      if (expected < LEAST_EXPECTED) continue;
      const shares = byGroup.get(group);
      if (shares === undefined) byGroup.set(group, [given / expected]);
      else shares.push(given / expected);
    }
    const indices = [...byGroup.values()].filter(({ length }) => length >= LEAST_EQUALS).map(jainIndex);
    return indices.length === 0 ? undefined : Math.min(...indices);
  }

  #accountOf(key: string, group: string): Account {
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { group, given: 0, expected: 0, sinceMs: undefined };
      this.#accounts.set(key, account);
    }
    return account;
  }
}

function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 0 : (sum * sum) / (shares.length * squares);
}
