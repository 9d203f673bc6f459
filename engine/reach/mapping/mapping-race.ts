/**
 * Mapping race: asks a router in every protocol at once, and has the first that answers make the mappings. Asking
 * changes nothing on the router; the mappings are made by one client after the other, so that two never make them.
 */
import type { PortMapping } from '../../snapshot.js';
import { withinTime } from '../../time-limit.js';
import type { Transport } from '../../units.js';
import { failureOf, mostTelling } from './failure.js';
import type { MappingClient, MappingWish } from './mapping-client.js';

/** Half a lease is how long a change of the router can go unnoticed at worst; RFC 6886 has two hours. */
export const LEASE_SECONDS = 1_800;

/** Of a goodbye in the middle of asking. */
const TAKE_AWAY_MS = 500;

export type Ports = readonly (readonly [transport: Transport, port: number])[];

export interface Mapped {
  readonly client: MappingClient;
  readonly externalHost: string | null;
  readonly mappings: readonly PortMapping[];
  /** About the mappings that were not made; empty where all were. */
  readonly message: string;
}

export type RaceOutcome = Mapped | ReturnType<typeof mostTelling>;

/** Closes the clients that lose. Settles when the first has made its mappings, or the last has failed. */
export async function raceToMap(
  clients: readonly MappingClient[],
  ports: Ports,
  signal: AbortSignal,
): Promise<RaceOutcome> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const faults: unknown[] = [];
  let winner: Mapped | undefined;
  /** The attempts to map, one after the other. */
  let line: Promise<void> = Promise.resolve();
  const enter = async (client: MappingClient): Promise<void> => {
    try {
      const externalHost = await client.probe(either);
      line = line.then(async () => {
        if (winner !== undefined) return;
        winner = await mapAll(client, ports, externalHost, signal).catch((error) => {
          faults.push(error);
          return undefined;
        });
        if (winner !== undefined) over.abort(new Error('another protocol was quicker'));
      });
      await line;
    } catch (error) {
      faults.push(error);
    }
  };
  await Promise.all(clients.map(enter));
  for (const client of clients) if (client !== winner?.client) client.close();
  signal.throwIfAborted();
  return winner ?? mostTelling(faults);
}

/**
 * The first port must be mapped; of the others a fault is only told. All wish for the same external port.
 * @param known what the router granted before: it is asked for again
 */
export async function mapAll(
  client: MappingClient,
  ports: Ports,
  externalHost: string | null,
  signal: AbortSignal,
  known: readonly PortMapping[] = [],
): Promise<Mapped> {
  const mappings: PortMapping[] = [];
  let host = externalHost;
  let message = '';
  for (const [transport, internalPort] of ports) {
    const before = [...known.filter((mapping) => mapping.transport === transport), ...mappings][0];
    const externalPort = before?.externalPort ?? internalPort;
    const wish: MappingWish = { transport, internalPort, externalPort, leaseSeconds: LEASE_SECONDS };
    try {
      const granted = await client.map(wish, signal);
      const { externalPort: port, leaseSeconds } = granted;
      mappings.push({ transport, internalPort, externalPort: port, leaseSeconds });
      host = granted.externalHost ?? host;
    } catch (error) {
      if (signal.aborted) await takeAway(client, ports);
      if (signal.aborted || mappings.length === 0) throw error;
      message = `no ${transport.toUpperCase()}: ${failureOf(error).message}`;
    }
  }
  return { client, externalHost: host, mappings, message };
}

/** What was asked for and not yet answered may have been granted. */
async function takeAway(client: MappingClient, ports: Ports): Promise<void> {
  const wishes = ports.map(([transport, port]): MappingWish => {
    return { transport, internalPort: port, externalPort: port, leaseSeconds: 0 };
  });
  await withinTime(TAKE_AWAY_MS, (late) =>
    Promise.allSettled(wishes.map((wish) => client.unmap(wish, late))),
  );
}
