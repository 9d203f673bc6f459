/** `swarm info`: shows what is in a torrent file or a magnet link. */

import {
  describeTorrent,
  type Magnet,
  parseMagnet,
  printable,
  readTorrentFile,
  type TorrentDescription,
} from '../engine/torrent-files.js';
import { formatBytes, formatSize } from '../tui/format.js';
import { defineCommand } from './command.js';
import { EXIT } from './exit-codes.js';
import { columns } from './help.js';
import type { Output } from './output.js';
import { count, plural } from './words.js';

/** A path longer than this is cut for people; --json has all of it. */
const MAX_PATH_CELLS = 500;

export const command = defineCommand({
  name: 'info',
  about:
    'Shows what is in a torrent file, after checking it as strictly as before a download, or in a magnet link. ' +
    'Nothing is asked of the network.',
  positionals: { placeholder: 'FILE|MAGNET', min: 1, max: 1 },
  options: {},
  examples: [
    ['info film.torrent', 'for people'],
    ['info "magnet:?xt=urn:btih:…"', 'what the link says; a link has no list of files'],
    ['info film.torrent --json | jq -r .infoHash', 'for programs: everything, on one line'],
  ],

  async run({ positionals: [source = ''] }, output) {
    if (/^magnet:/i.test(source)) {
      const magnet = parseMagnet(source);
      output.event({ type: 'magnet', ...magnet });
      output.result(columns(magnetRows(magnet)));
      return EXIT.done;
    }
    const description = describeTorrent((await readTorrentFile(source)).metainfo);
    output.event({ type: 'torrent', ...description });
    if (!output.json) show(description, output);
    return EXIT.done;
  },
});

function show(torrent: TorrentDescription, output: Output): void {
  const { totalBytes, pieceCount, pieceLength, files, trackers } = torrent;
  const rows: [string, string][] = [
    ['name', printable(torrent.name)],
    ['info-hash', torrent.infoHash],
    ['size', `${formatBytes(totalBytes)} (${plural(totalBytes, 'byte')}), ${plural(files.length, 'file')}`],
    ['pieces', `${count(pieceCount)} of ${formatSize(pieceLength)}`],
    ['private', torrent.private ? 'yes: peers only from the trackers' : 'no'],
  ];
  trackers.forEach((tier, at) => {
    for (const url of tier) rows.push([at === 0 ? 'tracker' : `tier ${at + 1}`, printable(url)]);
  });
  for (const url of torrent.webSeeds) rows.push(['web seed', printable(url)]);
  for (const { host, port } of torrent.dhtNodes) rows.push(['DHT node', `${printable(host)} port ${port}`]);
  if (torrent.comment !== null) rows.push(['comment', printable(torrent.comment, MAX_PATH_CELLS)]);
  if (torrent.createdBy !== null) rows.push(['created by', printable(torrent.createdBy)]);
  if (torrent.creationDate !== null) rows.push(['created', torrent.creationDate]);
  rows.push(['magnet', printable(torrent.magnet, torrent.magnet.length)]);
  output.result(columns(rows));
  output.result('');
  output.result(output.paintResult('dim', ' file       size  path'));
  for (const { index, path, lengthBytes } of files) {
    const number = output.paintResult('dim', String(index).padStart(5));
    output.result(`${number}  ${formatBytes(lengthBytes).padStart(9)}  ${printable(path, MAX_PATH_CELLS)}`);
  }
}

function magnetRows({ infoHash, name, trackers, webSeeds, peers, files }: Magnet): [string, string][] {
  const rows: [string, string][] = [['info-hash', infoHash]];
  if (name !== null) rows.push(['name', printable(name)]);
  for (const url of trackers) rows.push(['tracker', printable(url)]);
  for (const url of webSeeds) rows.push(['web seed', printable(url)]);
  for (const { host, port } of peers) rows.push(['peer', `${printable(host)} port ${port}`]);
  if (files !== null)
    rows.push([
      'files',
      files.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(', '),
    ]);
  return rows;
}
