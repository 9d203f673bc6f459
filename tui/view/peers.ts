/** The peers of the chosen torrent: who, how fast, who chokes whom, and how much is on the way. */
import type { PeerSnapshot } from '../engine.js';
import { clampShare } from '../format.js';
import type { Model, PeerSort } from '../model.js';
import { chosenTorrent } from '../model.js';
import type { Row, Span } from '../spans.js';
import { span } from '../spans.js';
import { amountColumn, barColumn, countColumn, rateColumn } from './columns.js';
import { FRAME } from './panel.js';
import type { Column } from './table.js';
import { tablePanel } from './table-panel.js';

const SOURCE: Readonly<Record<PeerSnapshot['source'], string>> = {
  tracker: 'trk',
  dht: 'dht',
  pex: 'pex',
  lsd: 'lan',
  user: 'usr',
  incoming: 'in',
};

const COLUMNS: readonly Column<PeerSnapshot>[] = [
  { title: 'address', width: 21, grow: 1, most: 44, yields: 0, cell: (peer) => span(address(peer)) },
  { title: 'client', width: 12, grow: 2, most: 24, yields: 5, cell: ({ client }) => span(client, 'dim') },
  { title: 'from', width: 4, yields: 7, cell: ({ source }) => span(SOURCE[source], 'dim') },
  { title: 'flags', width: 5, yields: 2, cell: flagsCell },
  rateColumn('down', 0, ({ downloadBytesPerSecond }) => downloadBytesPerSecond),
  rateColumn('up', 3, ({ uploadBytesPerSecond }) => uploadBytesPerSecond),
  amountColumn('received', 10, ({ downloadedBytes }) => downloadedBytes),
  amountColumn('sent', 10, ({ uploadedBytes }) => uploadedBytes),
  { title: 'asked', width: 7, right: true, yields: 6, cell: askedCell },
  countColumn('queue', 9, ({ queuedUploads }) => queuedUploads),
  barColumn(
    { title: '', width: 6, grow: 1, most: 16, yields: 8 },
    ({ progress }) => progress,
    ({ progress }) => (progress >= 1 ? 'good' : 'have'),
  ),
  {
    title: 'has',
    width: 4,
    right: true,
    yields: 4,
    cell: ({ progress }) =>
      span(`${Math.floor(clampShare(progress) * 100)}%`, progress >= 1 ? 'good' : 'text'),
  },
];

/** What each flag letter says; capitals move data. */
export const FLAG_HELP: readonly (readonly [flag: string, means: string])[] = [
  ['D', 'we download'],
  ['d', 'we want, it chokes us'],
  ['K', 'it would let us, we want nothing'],
  ['U', 'we upload'],
  ['u', 'it wants, we choke it'],
  ['k', 'we would let it, it wants nothing'],
  ['O', 'unchoked by chance'],
  ['E', 'encrypted'],
  ['I', 'it connected to us'],
];

export function peersPanel(model: Model, width: number, height: number): Row[] {
  const peers = chosenTorrent(model)?.peers ?? [];
  const order = sortedIndices(peers, model.peerSort);
  return tablePanel(
    {
      title: 'peers',
      key: '2',
      focused: model.focus === 'peers',
      note: note(model),
      remark: legend(width),
    },
    {
      columns: COLUMNS,
      length: peers.length,
      item: (index) => peers[order[index] ?? 0],
      from: model.scroll.peers ?? 0,
    },
    'nobody is connected',
    width,
    height,
  );
}

function note(model: Model): Row {
  const torrent = chosenTorrent(model);
  if (torrent === undefined) return [];
  const banned: Row = torrent.bannedPeers > 0 ? [span(` · ${torrent.bannedPeers} banned`, 'bad')] : [];
  return [
    span(`${torrent.connectedPeers} connected · ${torrent.candidatePeers} known`, 'dim'),
    ...banned,
    span(` · by ${model.peerSort}`, 'dim'),
  ];
}

const LONG_LEGEND =
  'D downloading  d it chokes us  K unused  U uploading  u we choke it  k unused  O chance  E encrypted  I incoming';
const SHORT_LEGEND = 'D down  U up  d u choked  K k unused  O by chance  E encrypted  I incoming';

const legend = (width: number): Row =>
  (width >= LONG_LEGEND.length + FRAME + 4 ? LONG_LEGEND : SHORT_LEGEND)
    .split(/( +)/)
    .map((word) => span(word, word.length === 1 ? flagStyle(word) : 'dim'));

/** Indices instead of copies: the peers are as many as the engine allows, the lines on the screen are few. */
function sortedIndices(peers: readonly PeerSnapshot[], by: PeerSort): number[] {
  const order = peers.map((_, index) => index);
  const peer = (index: number) => peers[index] as PeerSnapshot;
  const rate = (index: number) => peer(index).downloadBytesPerSecond + peer(index).uploadBytesPerSecond;
  switch (by) {
    case 'rate':
      return order.sort((a, b) => rate(b) - rate(a) || a - b);
    case 'progress':
      return order.sort((a, b) => peer(b).progress - peer(a).progress || a - b);
    case 'address':
      return order.sort((a, b) => compare(address(peer(a)), address(peer(b))));
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const address = ({ host, port }: PeerSnapshot): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Fixed places, so that the eye can run down one kind: down, up, optimistic, encrypted, incoming. */
function flagsCell(peer: PeerSnapshot): Row {
  const down = peer.amInterested ? (peer.peerChoking ? 'd' : 'D') : peer.peerChoking ? '·' : 'K';
  const up = peer.peerInterested ? (peer.amChoking ? 'u' : 'U') : peer.amChoking ? '·' : 'k';
  const flags = [
    down,
    up,
    peer.optimistic ? 'O' : '·',
    peer.encrypted ? 'E' : '·',
    peer.incoming ? 'I' : '·',
  ];
  return flags.map((flag) => span(flag, flagStyle(flag)));
}

function flagStyle(flag: string): Span['style'] {
  switch (flag) {
    case 'D':
      return 'down';
    case 'U':
      return 'up';
    case 'd':
    case 'u':
    case 'O':
      return 'warn';
    case '·':
      return 'faint';
    default:
      return 'dim';
  }
}

function askedCell({ outstandingRequests, requestLimit }: PeerSnapshot): Row {
  if (outstandingRequests === 0) return [span('–', 'faint')];
  return [span(String(outstandingRequests)), span(`/${requestLimit}`, 'dim')];
}
