/** The files of the chosen torrent. */
import type { FileSnapshot } from '../engine.js';
import { formatShare } from '../format.js';
import type { Model } from '../model.js';
import { chosenTorrent } from '../model.js';
import { shorten } from '../shorten.js';
import type { Row } from '../spans.js';
import { span } from '../spans.js';
import { barColumn, sizeColumn } from './columns.js';
import type { Column } from './table.js';
import { tablePanel } from './table-panel.js';

const COLUMNS: readonly Column<FileSnapshot>[] = [
  {
    title: 'file',
    width: 14,
    grow: 4,
    yields: 0,
    cell: ({ path, wanted }, cells) => span(shorten(path, cells), wanted ? 'text' : 'faint'),
  },
  barColumn(
    { title: '', width: 6, grow: 1, most: 20, yields: 2 },
    (file) => (file.wanted ? share(file) : null),
    (file) => (share(file) >= 1 ? 'good' : 'have'),
  ),
  {
    title: 'done',
    width: 6,
    right: true,
    yields: 0,
    cell: (file) =>
      file.wanted
        ? span(formatShare(share(file)), share(file) >= 1 ? 'good' : 'text')
        : span('skip', 'faint'),
  },
  sizeColumn(1, ({ lengthBytes }) => lengthBytes),
];

export function filesPanel(model: Model, width: number, height: number): Row[] {
  const files = chosenTorrent(model)?.files ?? [];
  const note: Row = files.length === 0 ? [] : [span(String(files.length), 'dim')];
  return tablePanel(
    { title: 'files', key: '5', focused: model.focus === 'files', note },
    {
      columns: COLUMNS,
      length: files.length,
      item: (index) => files[index],
      from: model.scroll.files ?? 0,
    },
    'none',
    width,
    height,
  );
}

const share = ({ haveBytes, lengthBytes }: FileSnapshot): number =>
  lengthBytes === 0 ? 1 : haveBytes / lengthBytes;
