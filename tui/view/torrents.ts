/** The torrents: name, progress, rates, peers, time left, phase, and what is the matter with the chosen one. */
import type { TorrentPhase, TorrentSnapshot } from '../engine.js';
import { formatDuration, formatShare } from '../format.js';
import type { Model } from '../model.js';
import { chosenIndex, chosenTorrent } from '../model.js';
import { reason } from '../reason.js';
import { shorten } from '../shorten.js';
import type { Row, Style } from '../spans.js';
import { span } from '../spans.js';
import { barColumn, countColumn, quiet, rateColumn, sizeColumn } from './columns.js';
import { FRAME } from './panel.js';
import type { Column } from './table.js';
import { HEAD } from './table.js';
import { tablePanel, visibleLines } from './table-panel.js';

const PHASE_STYLE: Readonly<Record<TorrentPhase, Style>> = {
  metadata: 'warn',
  checking: 'warn',
  downloading: 'down',
  seeding: 'up',
  stopping: 'dim',
  stopped: 'dim',
  failed: 'bad',
};

const COLUMNS: readonly Column<TorrentSnapshot>[] = [
  { title: 'name', width: 18, grow: 5, yields: 0, cell: ({ name }, cells) => span(shorten(name, cells)) },
  barColumn(
    { title: 'progress', width: 8, grow: 3, most: 44, yields: 6 },
    share,
    ({ phase }) => PHASE_STYLE[phase],
  ),
  { title: 'done', width: 6, right: true, yields: 0, cell: (torrent) => span(formatShare(share(torrent))) },
  sizeColumn(9, ({ wantedBytes }) => wantedBytes),
  rateColumn('down', 1, ({ downloadBytesPerSecond }) => downloadBytesPerSecond),
  rateColumn('up', 3, ({ uploadBytesPerSecond }) => uploadBytesPerSecond),
  { title: 'ratio', width: 5, right: true, yields: 10, cell: ratioCell },
  countColumn('seeds', 11, ({ connectedSeeds }) => connectedSeeds),
  countColumn('peers', 8, ({ connectedPeers }) => connectedPeers),
  {
    title: 'left',
    width: 8,
    right: true,
    yields: 4,
    cell: ({ etaSeconds }) => quiet(etaSeconds ?? 0, formatDuration(etaSeconds), 'text'),
  },
  { title: 'phase', width: 11, yields: 7, cell: ({ phase }) => span(phase, PHASE_STYLE[phase]) },
];

/** Lines that the panel would like to have. */
export const torrentsHeight = (model: Model): number =>
  Math.max(1, model.snapshot?.torrents.length ?? 0) + HEAD + FRAME;

export function torrentsPanel(model: Model, width: number, height: number): Row[] {
  const torrents = model.snapshot?.torrents ?? [];
  const marked = chosenIndex(model);
  const visible = visibleLines(height);
  return tablePanel(
    {
      title: 'torrents',
      key: '1',
      focused: model.focus === 'torrents',
      note: torrents.length > visible ? [span(`${marked + 1} of ${torrents.length}`, 'dim')] : [],
      remark: remark(model),
    },
    {
      columns: COLUMNS,
      length: torrents.length,
      item: (index) => torrents[index],
      from: marked - Math.floor(visible / 2),
      marked,
    },
    'nothing added yet',
    width,
    height,
  );
}

/** One line on the chosen torrent: what is the matter, or nothing. */
function remark(model: Model): Row {
  const torrent = chosenTorrent(model);
  if (torrent === undefined || model.snapshot === null) return [];
  const matter = reason(torrent, model.snapshot);
  return matter === undefined ? [] : [span(matter.text, matter.tone)];
}

function share(torrent: TorrentSnapshot): number {
  if (torrent.phase === 'metadata') return torrent.metadata?.share ?? 0;
  if (torrent.phase === 'checking') return torrent.checkedShare;
  return torrent.wantedBytes === 0 ? 1 : torrent.haveBytes / torrent.wantedBytes;
}

function ratioCell({ uploadedBytes, wantedBytes, downloadedBytes }: TorrentSnapshot) {
  const base = downloadedBytes > 0 ? downloadedBytes : wantedBytes;
  const ratio = base === 0 ? 0 : uploadedBytes / base;
  return quiet(ratio, ratio < 100 ? ratio.toFixed(2) : ratio.toFixed(0), 'text');
}
