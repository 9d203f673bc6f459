/**
 * swarm: the public API, and nothing else.
 *
 * @example
 * const engine = await Engine.create();
 * const torrent = engine.add(await readFile('file.torrent'), { out: 'downloads' });
 * torrent.onEvent((event) => console.log(event.type));
 * await torrent.completed;
 * await engine.close();
 */
export type { Dht } from './dht-service.js';
export { type Item, signItem } from './discovery/dht/items.js';
export { Engine } from './engine.js';
export type { FetchOptions, MetadataFetch } from './metadata-fetch.js';
export type { EngineOptions } from './options.js';
export type { CloseReason } from './ports.js';
export { resolveFrom } from './resolve-from.js';
export * from './snapshot.js';
export type { AddOptions, Torrent } from './torrent.js';
export * from './torrent-files.js';
export { fetchTorrentUrl } from './torrent-url.js';
export type { InfoHash, PeerAddress, PeerSourceName } from './units.js';
