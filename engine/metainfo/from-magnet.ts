/** From magnet: a checked Metainfo out of a magnet link and the `info` dictionary that peers sent for it (BEP 9). */
import { SwarmError } from '../errors.js';
import { encodeBencode } from './bencode.js';
import type { Magnet } from './magnet.js';
import type { Metainfo } from './metainfo.js';
import { parseTorrent } from './parse.js';

/** @throws SwarmError TORRENT_…, as parseTorrent */
export function metainfoOf(magnet: Magnet, rawInfo: Uint8Array): Metainfo {
  const metainfo = parseTorrent(
    Buffer.concat([
      Buffer.from('d13:announce-list'),
      encodeBencode(magnet.trackers.map((url) => [url])),
      Buffer.from('4:info'),
      rawInfo,
      Buffer.from('8:url-list'),
      encodeBencode([...magnet.webSeeds]),
      Buffer.from('e'),
    ]),
  );
  // Bytes of the right hash need not be one dictionary and nothing more.
  if (metainfo.infoHash === magnet.infoHash) return metainfo;
  throw new SwarmError('TORRENT_INVALID', 'what the link names is no info dictionary', {
    infoHash: magnet.infoHash,
  });
}
