/** Torrent URL: a torrent file on the web. */
import { fetchUrl } from './discovery/fetch-url.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { MAX_TORRENT_BYTES, parseTorrent } from './metainfo/parse.js';
import { USER_AGENT } from './version.js';

/**
 * @param url `http:` or `https:`
 * @throws SwarmError INPUT_NOT_FOUND when it cannot be had, whatever `parseTorrent` throws, or the signal's reason
 */
export async function fetchTorrentUrl(url: string, signal: AbortSignal): Promise<Metainfo> {
  return parseTorrent(await fetchUrl(url, { maxBytes: MAX_TORRENT_BYTES, userAgent: USER_AGENT, signal }));
}
