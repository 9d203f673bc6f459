/** The files of the chosen torrent. */
import type { FileSnapshot } from '../engine.js';
import { formatBytes, formatShare, progressBar } from '../format.js';
import type { Model } from '../model.js';
import { chosenTorrent } from '../model.js';
import type { Row } from '../spans.js';
import { span } from '../spans.js';
import { FRAME, panel } from './panel.js';
import type { Column } from './table.js';
import { table } from './table.js';

const COLUMNS: readonly Column<FileSnapshot>[] = [
  {
    title: 'file',
    width: 14,
    grow: 4,
    yields: 0,
    cell: ({ path, wanted }) => span(path, wanted ? 'text' : 'faint'),
  },
  { title: '', width: 6, grow: 1, most: 20, yields: 2, cell: barCell },
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
  {
    title: 'size',
    width: 8,
    right: true,
    yields: 1,
    cell: ({ lengthBytes }) => span(formatBytes(lengthBytes), 'dim'),
  },
];

export function filesPanel(model: Model, width: number, height: number): Row[] {
  const files = chosenTorrent(model)?.files ?? [];
  const body =
    files.length === 0
      ? [[span(' none', 'dim')]]
      : table(
          {
            columns: COLUMNS,
            length: files.length,
            item: (index) => files[index],
            from: model.scroll.files ?? 0,
          },
          width - FRAME,
          height - FRAME,
        );
  const note: Row = files.length === 0 ? [] : [span(String(files.length), 'dim')];
  return panel({ title: 'files', key: '5', focused: model.focus === 'files', note }, body, width, height);
}

const share = ({ haveBytes, lengthBytes }: FileSnapshot): number =>
  lengthBytes === 0 ? 1 : haveBytes / lengthBytes;

function barCell(file: FileSnapshot, width: number): Row {
  if (!file.wanted) return [span('─'.repeat(width), 'faint')];
  const [done, rest] = progressBar(share(file), width);
  return [span(done, share(file) >= 1 ? 'good' : 'have'), span(rest, 'faint')];
}
