/** Describe: a torrent as plain data, for `info` and for programs. Texts are the torrent's own: untrusted. */
import type { Metainfo } from './metainfo.js';

type AsInTheTorrent = Pick<
  Metainfo,
  | 'infoHash'
  | 'name'
  | 'totalBytes'
  | 'pieceLength'
  | 'pieceCount'
  | 'singleFile'
  | 'private'
  | 'trackers'
  | 'webSeeds'
  | 'dhtNodes'
  | 'comment'
  | 'createdBy'
>;

export interface TorrentDescription extends AsInTheTorrent {
  readonly magnet: string;
  /** ISO 8601. */
  readonly creationDate: string | null;
  /** In torrent order, without padding files. */
  readonly files: readonly DescribedFile[];
}

interface DescribedFile {
  /** Index in the torrent, padding files counted. */
  readonly index: number;
  /** Where it is put below the download folder. */
  readonly path: string;
  readonly lengthBytes: number;
  readonly executable: boolean;
}

export function describeTorrent(metainfo: Metainfo): TorrentDescription {
  const { files, creationDate } = metainfo;
  return {
    infoHash: metainfo.infoHash,
    name: metainfo.name,
    magnet: magnetLink(metainfo),
    totalBytes: metainfo.totalBytes,
    pieceLength: metainfo.pieceLength,
    pieceCount: metainfo.pieceCount,
    singleFile: metainfo.singleFile,
    private: metainfo.private,
    trackers: metainfo.trackers,
    webSeeds: metainfo.webSeeds,
    dhtNodes: metainfo.dhtNodes,
    comment: metainfo.comment,
    createdBy: metainfo.createdBy,
    creationDate: creationDate === null ? null : new Date(creationDate * 1000).toISOString(),
    files: files.flatMap(({ diskPath, lengthBytes, padding, executable }, index) =>
      padding ? [] : [{ index, path: diskPath, lengthBytes, executable }],
    ),
  };
}

/** BEP 9. */
function magnetLink({ infoHash, name, trackers, webSeeds }: Metainfo): string {
  const parts = [`xt=urn:btih:${infoHash}`, `dn=${escapeText(name)}`];
  for (const url of trackers.flat()) parts.push(`tr=${escapeText(url)}`);
  for (const url of webSeeds) parts.push(`ws=${escapeText(url)}`);
  return `magnet:?${parts.join('&')}`;
}

/** `encodeURIComponent` throws on half a surrogate pair, which a legacy encoding can give. */
const escapeText = (text: string): string => encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '\ufffd'));
