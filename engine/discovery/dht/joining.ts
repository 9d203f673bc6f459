/**
 * Joining: the way into the DHT. Asks the entry points until one answers, then looks up our own id, so that the
 * buckets near us fill and who is close to us learns of us; again, and more and more seldom, while nobody answers.
 */
import type { Clock, TimerHandle } from '../../ports.js';
import { asMillis, type PeerAddress } from '../../units.js';
import type { Query, Reply } from './krpc.js';
import type { LookupTask } from './lookups.js';
import type { NetworkSize } from './network-size.js';
import type { NodeContact } from './node-id.js';
import type { RoutingTable } from './routing-table.js';

/** Without any node, the entry points are asked again after so long, then after twice as long, …. */
const REJOIN_MS = 5_000;
const MAX_REJOIN_MS = 5 * 60_000;
const MAX_ENTRY_POINTS = 16;

export interface JoiningOptions {
  readonly clock: Clock;
  readonly family: 4 | 6;
  readonly table: RoutingTable;
  readonly size: NetworkSize;
  /** Literal addresses. */
  entryPoints(): Promise<readonly PeerAddress[]>;
  /** The other family has a DHT of ours, too. */
  hasSibling(): boolean;
  addNode(address: PeerAddress): void;
  ask(to: PeerAddress, query: Query, done: (reply: Reply | undefined) => void): void;
  run(task: LookupTask): void;
}

export class Joining {
  readonly #options: JoiningOptions;
  #isUnderWay = false;
  #waitMs = REJOIN_MS;
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** At intervals: nobody may be left. */
  upkeep(): void {
    if (!this.#isUnderWay && this.#waitMs === REJOIN_MS && !this.#options.table.hasLiveNode) this.join();
  }

  /** Through the entry points. */
  join(): void {
    if (this.#isUnderWay || this.#isClosed) return;
    this.#isUnderWay = true;
    this.#options.entryPoints().then(
      (addresses) => this.#askEntryPoints(addresses),
      () => this.#askEntryPoints([]),
    );
  }

  /** Through nodes that are known. */
  lookUpSelf(seeds: readonly NodeContact[]): void {
    const { table, size } = this.#options;
    this.#isUnderWay = true;
    const query = this.#query();
    this.#options.run({
      query,
      seeds,
      onDone: (closest) => {
        this.#isUnderWay = false;
        size.onLookup(query.target, closest);
        if (closest.length > 0) this.#waitMs = REJOIN_MS;
        else if (!table.hasLiveNode) this.join();
      },
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #askEntryPoints(addresses: readonly PeerAddress[]): void {
    if (this.#isClosed) return;
    const { family, table, ask, addNode } = this.#options;
    const asked = addresses.slice(0, MAX_ENTRY_POINTS);
    let left = asked.length;
    let isIn = false;
    const end = (): void => {
      if (left > 0 || isIn) return;
      this.#isUnderWay = false;
      if (table.hasLiveNode) this.lookUpSelf([]);
      else this.#joinLater();
    };
    for (const address of asked) {
      ask(address, this.#query(), (reply) => {
        left--;
        const nodes = family === 4 ? reply?.nodes : reply?.nodes6;
        if (reply !== undefined && !isIn) {
          isIn = true;
          this.lookUpSelf(nodes ?? []);
        } else for (const node of nodes ?? []) if (table.wants(node)) addNode(node);
        end();
      });
    }
    end();
  }

  #joinLater(): void {
    const { clock, table } = this.#options;
    this.#timer?.cancel();
    this.#timer = clock.schedule(asMillis(clock.now() + this.#waitMs), () => {
      if (table.hasLiveNode) this.#waitMs = REJOIN_MS;
      else this.join();
    });
    this.#waitMs = Math.min(2 * this.#waitMs, MAX_REJOIN_MS);
  }

  #query() {
    const { table, hasSibling } = this.#options;
    const want: readonly (4 | 6)[] = [4, 6];
    return { method: 'find_node', target: table.ownId, ...(hasSibling() ? { want } : {}) } as const;
  }
}
