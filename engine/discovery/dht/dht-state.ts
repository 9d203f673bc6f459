/** What a restart needs of the DHT: our ids and the nodes that we knew, as plain data. Read back like anybody's file. */
import { canonicalHost, familyOf } from '../../policy/ip-address.js';
import { networkOf } from './node-address.js';
import { ID_BYTES, type NodeContact, type NodeId } from './node-id.js';

/** Nodes kept a family: a full routing table. */
const MAX_NODES = 400;

export interface SavedDht {
  readonly version: 1;
  readonly v4?: SavedOverlay;
  readonly v6?: SavedOverlay;
}

interface SavedOverlay {
  /** 40 hex digits. */
  readonly id: string;
  /** About how many nodes the network has; left out when not known. */
  readonly networkSize?: number;
  /** [id in hex, host, port], the latest to answer first. */
  readonly nodes: readonly (readonly [string, string, number])[];
}

export interface RestoredOverlay {
  readonly id: NodeId;
  readonly networkSize: number | undefined;
  readonly nodes: readonly NodeContact[];
}

export function saveOverlay(
  id: NodeId,
  nodes: readonly NodeContact[],
  networkSize: number | undefined,
): SavedOverlay {
  return {
    id: hex(id),
    ...(networkSize === undefined ? {} : { networkSize: Math.round(networkSize) }),
    nodes: nodes.slice(0, MAX_NODES).map((node) => [hex(node.id), node.host, node.port] as const),
  };
}

/** Undefined when nothing of that family can be used; single nodes that cannot be are left out. */
export function readSavedOverlay(saved: unknown, family: 4 | 6): RestoredOverlay | undefined {
  if (!isRecord(saved) || saved.version !== 1) return undefined;
  const overlay = family === 4 ? saved.v4 : saved.v6;
  if (!isRecord(overlay)) return undefined;
  const id = idOf(overlay.id);
  if (id === undefined || !Array.isArray(overlay.nodes)) return undefined;
  const nodes: NodeContact[] = [];
  for (const entry of overlay.nodes.slice(0, MAX_NODES)) {
    const node = Array.isArray(entry) ? nodeOf(entry, family) : undefined;
    if (node !== undefined) nodes.push(node);
  }
  const { networkSize } = overlay;
  const isSize = typeof networkSize === 'number' && networkSize >= 1 && networkSize < 1e12;
  return { id, nodes, networkSize: isSize ? networkSize : undefined };
}

function nodeOf([idText, hostText, port]: readonly unknown[], family: 4 | 6): NodeContact | undefined {
  const id = idOf(idText);
  const host = typeof hostText === 'string' ? canonicalHost(hostText) : undefined;
  if (id === undefined || host === undefined || familyOf(host) !== family || networkOf(host) === undefined)
    return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return { id, host, port };
}

function idOf(text: unknown): NodeId | undefined {
  if (typeof text !== 'string' || text.length !== 2 * ID_BYTES || !/^[0-9a-f]*$/.test(text)) return undefined;
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

const hex = (id: NodeId): string => Buffer.from(id).toString('hex');
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
