/** Lookups under way: a bounded number at once, others wait for their turn and while no node is known. */
import type { PeerAddress } from '../../units.js';
import type { Query, Reply } from './krpc.js';
import { Lookup } from './lookup.js';
import type { NodeContact, NodeId } from './node-id.js';
import type { RoutingTable } from './routing-table.js';

const MAX_LOOKUPS = 12;
const MAX_WAITING_LOOKUPS = 500;
/** Nodes of the table that a lookup begins with. */
const FIRST_NODES = 40;

export interface LookupTask {
  /** Sent to everybody on the way. */
  readonly query: Extract<Query, { readonly target: NodeId }>;
  onReply?(from: NodeContact, reply: Reply): void;
  /** @param closest that answered; not called after `cancel` */
  onDone?(closest: readonly NodeContact[], queries: number): void;
  /** Nodes to begin with beside those of the table. */
  readonly seeds?: readonly NodeContact[];
}

export interface RunningLookup {
  cancel(): void;
}

export interface QueryHandler {
  onReply(reply: Reply): void;
  onSlow?(): void;
  onFail(): void;
}

export interface LookupsOptions {
  readonly family: 4 | 6;
  readonly table: RoutingTable;
  /** @returns false: it was not sent, and nothing will be said of it */
  send(to: PeerAddress, query: Query, handler: QueryHandler): boolean;
  networkSize(): number | undefined;
}

export class Lookups {
  readonly #options: LookupsOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: LookupsOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  /** Waits for its turn. */
  lookUp(task: LookupTask): RunningLookup {
    const state = { cancelled: false };
    const begin = (): void => {
      if (!state.cancelled) this.#run(task, state);
    };
    if (this.#running < MAX_LOOKUPS && this.#options.table.size > 0) begin();
    else if (this.#waiting.length < MAX_WAITING_LOOKUPS) this.#waiting.push(begin);
    else task.onDone?.([], 0);
    return {
      cancel: () => {
        state.cancelled = true;
        const at = this.#waiting.indexOf(begin);
        if (at >= 0) this.#waiting.splice(at, 1);
      },
    };
  }

  /** At once, before those who wait. */
  runFirst(task: LookupTask): void {
    this.#run(task, { cancelled: false });
    this.runWaiting();
  }

  runWaiting(): void {
    while (this.#running < MAX_LOOKUPS && this.#options.table.size > 0) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      begin();
    }
  }

  /** Those who wait are forgotten. */
  close(): void {
    this.#waiting.length = 0;
  }

  #run({ query, onReply, onDone, seeds }: LookupTask, state: { cancelled: boolean }): void {
    const { family, table, send, networkSize } = this.#options;
    this.#running++;
    const lookup = new Lookup(query.target, table.ownId, networkSize());
    lookup.add(table.closest(query.target, FIRST_NODES));
    lookup.add(seeds ?? []);
    let done = false;
    const pump = (): void => {
      if (done) return;
      for (let node = lookup.next(); node !== undefined && !state.cancelled; node = lookup.next()) ask(node);
      if (!lookup.isDone && !state.cancelled) return;
      done = true;
      this.#running--;
      if (!state.cancelled) onDone?.(lookup.closest(), lookup.queries);
      this.runWaiting();
    };
    const ask = (node: NodeContact): void => {
      const sent = send(node, query, {
        onReply: (reply) => {
          const named = family === 4 ? reply.nodes : reply.nodes6;
          if (!done && lookup.onAnswer(node, reply.id, named) && !state.cancelled) onReply?.(node, reply);
          pump();
        },
        onSlow: () => {
          lookup.onSlow(node);
          pump();
        },
        onFail: () => {
          lookup.onDead(node);
          pump();
        },
      });
      if (!sent) lookup.onDead(node);
    };
    pump();
  }
}
