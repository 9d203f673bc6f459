/** From magnet: a checked Metainfo out of a magnet link and the `info` dictionary that peers sent for it (BEP 9). */
import { encodeBencode } from './bencode.js';
import type { Magnet } from './magnet.js';
import type { Metainfo } from './metainfo.js';
import { parseTorrent } from './parse.js';

/** @throws SwarmError TORRENT_…, as parseTorrent */
export function metainfoOf(magnet: Magnet, rawInfo: Uint8Array): Metainfo {
  return parseTorrent(
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
}
