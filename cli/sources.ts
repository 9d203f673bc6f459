/** Sources: what `swarm get` is given, told apart, and read as far as that needs no peer. */
import {
  type EngineOptions,
  fetchTorrentUrl,
  type Magnet,
  type Metainfo,
  parseMagnet,
  SwarmError,
} from '../engine/index.js';
import { readTorrentFile } from '../engine/torrent-files.js';
import { UsageError } from './command.js';
import { withInterrupts } from './interrupts.js';
import type { Output } from './output.js';
import { tellFault } from './tell.js';

export interface Sources {
  /** By info-hash: the same torrent may be given twice, also as a link. */
  readonly torrents: readonly Metainfo[];
  readonly magnets: readonly Magnet[];
  /** The first one's that could not be read. */
  readonly fault: SwarmError | undefined;
}

/**
 * A source that cannot be read stops the others only when it is the command line that is wrong.
 * @throws SwarmError of the only source, or of the first when none can be read
 */
export async function readSources(
  sources: readonly string[],
  output: Output,
  from: EngineOptions,
): Promise<Sources> {
  const torrents = new Map<string, Metainfo>();
  const magnets = new Map<string, Magnet>();
  let fault: SwarmError | undefined;
  for (const source of sources) {
    try {
      const magnet = magnetOf(source);
      if (magnet !== undefined) magnets.set(magnet.infoHash, merged(magnets.get(magnet.infoHash), magnet));
      else {
        const metainfo = await readTorrent(source, from);
        torrents.set(metainfo.infoHash, metainfo);
      }
    } catch (thrown) {
      if (sources.length === 1 || !(thrown instanceof SwarmError)) throw thrown;
      fault ??= thrown;
      output.event({ type: 'error', code: thrown.code, message: thrown.message, source });
      tellFault(source, thrown, output);
    }
  }
  for (const infoHash of torrents.keys()) magnets.delete(infoHash);
  if (fault !== undefined && torrents.size + magnets.size === 0) throw fault;
  return { torrents: [...torrents.values()], magnets: [...magnets.values()], fault };
}

/** Two links to one torrent are one that leads to all that either does. */
function merged(first: Magnet | undefined, second: Magnet): Magnet {
  if (first === undefined) return second;
  return {
    ...first,
    name: first.name ?? second.name,
    trackers: [...new Set([...first.trackers, ...second.trackers])],
    peers: [...first.peers, ...second.peers],
  };
}

/** A link, or a bare info-hash in hex or base32. */
function magnetOf(source: string): Magnet | undefined {
  if (/^magnet:/i.test(source)) return parseMagnet(source);
  if (/^([0-9a-f]{40}|[a-z2-7]{32})$/i.test(source)) return parseMagnet(`magnet:?xt=urn:btih:${source}`);
  return undefined;
}

async function readTorrent(source: string, from: EngineOptions): Promise<Metainfo> {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source) ?? [];
  if (scheme === undefined) return (await readTorrentFile(source)).metainfo;
  if (!/^https?$/i.test(scheme))
    throw new UsageError(`cannot fetch from ${scheme}://; http:// and https:// are known`);
  return withInterrupts((signal) => fetchTorrentUrl(source, signal, from));
}
