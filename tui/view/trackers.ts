/** The trackers of the chosen torrent: do they answer, what do they know, when are they asked again. */
import type { TrackerSnapshot } from '../engine.js';
import { formatDuration } from '../format.js';
import type { Model } from '../model.js';
import { chosenTorrent } from '../model.js';
import type { Row, Style } from '../spans.js';
import { span } from '../spans.js';
import type { Column } from './table.js';
import { tablePanel } from './table-panel.js';

const STATE_STYLE: Readonly<Record<TrackerSnapshot['state'], Style>> = {
  idle: 'dim',
  announcing: 'warn',
  working: 'good',
  failed: 'bad',
};

const COLUMNS: readonly Column<TrackerSnapshot>[] = [
  { title: 'tracker', width: 16, grow: 6, most: 60, yields: 0, cell: ({ url }) => span(url) },
  { title: 'tier', width: 4, right: true, yields: 8, cell: ({ tier }) => span(String(tier), 'dim') },
  { title: 'state', width: 10, yields: 0, cell: ({ state }) => span(state, STATE_STYLE[state]) },
  { title: 'seeds', width: 5, right: true, yields: 4, cell: ({ seeders }) => known(seeders) },
  { title: 'leech', width: 5, right: true, yields: 4, cell: ({ leechers }) => known(leechers) },
  {
    title: 'got',
    width: 5,
    right: true,
    yields: 7,
    cell: ({ peersReceived }) => span(String(peersReceived), 'dim'),
  },
  {
    title: 'next',
    width: 7,
    right: true,
    yields: 3,
    cell: ({ nextAnnounceInSeconds }) => span(formatDuration(nextAnnounceInSeconds), 'dim'),
  },
  {
    title: 'says',
    width: 22,
    grow: 1,
    yields: 5,
    cell: ({ message, state }) => span(message, state === 'failed' ? 'bad' : 'dim'),
  },
];

export function trackersPanel(model: Model, width: number, height: number): Row[] {
  const trackers = chosenTorrent(model)?.trackers ?? [];
  const working = trackers.filter(({ state }) => state === 'working').length;
  const note: Row = trackers.length === 0 ? [] : [span(`${working} of ${trackers.length} working`, 'dim')];
  return tablePanel(
    { title: 'trackers', key: '4', focused: model.focus === 'trackers', note },
    {
      columns: COLUMNS,
      length: trackers.length,
      item: (index) => trackers[index],
      from: model.scroll.trackers ?? 0,
    },
    'none',
    width,
    height,
  );
}

const known = (value: number | null) => (value === null ? span('–', 'faint') : span(String(value)));
