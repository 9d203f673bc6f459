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
export { Engine } from './engine.js';
export { ERROR_CODES, type ErrorCode, type ErrorDetails, SwarmError, storageError } from './errors.js';
export type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';
export { parseTorrent } from './metainfo/parse.js';
export type { EngineOptions } from './options.js';
export type { CloseReason, PeerSourceName } from './ports.js';
export * from './snapshot.js';
export type { AddOptions, Torrent } from './torrent.js';
export type { InfoHash, PeerAddress } from './units.js';
export { cellWidth, printable } from './untrusted-text.js';
