/**
 * Torrent files: the part of the public API that needs no engine (make, read, describe and verify torrents).
 * Loading it loads no networking, so a short command starts quickly.
 */
export { ERROR_CODES, type ErrorCode, type ErrorDetails, SwarmError, storageError } from './errors.js';
export { type CreateOptions, createTorrent } from './metainfo/create.js';
export { describeTorrent, type TorrentDescription } from './metainfo/describe.js';
export { type Magnet, parseMagnet } from './metainfo/magnet.js';
export type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';
export { parseTorrent } from './metainfo/parse.js';
export { readTorrentFile } from './metainfo/read.js';
export { type Verification, type VerifiedFile, verifyFiles } from './metainfo/verify.js';
export * from './text.js';
