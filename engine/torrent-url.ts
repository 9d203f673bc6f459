/** Torrent URL: a torrent file on the web. */

import { fetchUrl } from './discovery/fetch-url.js';
import { egressOf } from './egress.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { MAX_TORRENT_BYTES, parseTorrent } from './metainfo/parse.js';
import type { EngineOptions } from './options.js';
import { USER_AGENT } from './version.js';

/**
 * @param url `http:` or `https:`
 * @param from as of an engine
 * @throws SwarmError INPUT_NOT_FOUND when it cannot be had, whatever `parseTorrent` throws, or the signal's reason
 */
export async function fetchTorrentUrl(
  url: string,
  signal: AbortSignal,
  from: Pick<EngineOptions, 'bind' | 'dnsServers' | 'proxy'> = {},
): Promise<Metainfo> {
  const { local, binding, resolveToConnect: resolve } = await egressOf(from);
  try {
    const limits = { maxBytes: MAX_TORRENT_BYTES, userAgent: USER_AGENT, signal };
    return parseTorrent(await fetchUrl(url, { ...limits, resolve, binding }));
  } finally {
    local?.close();
  }
}
