/** Rates of the chosen torrent over time: download grows up from the middle, upload down. */
import { brailleChart } from '../braille-chart.js';
import { formatDuration, formatRate, formatSize } from '../format.js';
import type { Model } from '../model.js';
import { chosenTorrent, SAMPLE_MS, torrentKey } from '../model.js';
import type { Row, Style } from '../spans.js';
import { span } from '../spans.js';
import { FRAME, panel } from './panel.js';

const DOWN: readonly Style[] = ['down1', 'down2', 'down'];
const UP: readonly Style[] = ['up1', 'up2', 'up'];

export function ratesPanel(model: Model, width: number, height: number): Row[] {
  const torrent = chosenTorrent(model);
  const inner = width - FRAME;
  const history = torrent === undefined ? undefined : model.rates[torrentKey(torrent)];
  const samples = inner * 2;
  const down = history?.down.slice(-samples) ?? [];
  const up = history?.up.slice(-samples) ?? [];
  const lines = height - FRAME;
  const downLines = Math.ceil(lines * 0.6);
  const body = [
    ...half(down, inner, downLines, DOWN, false),
    ...half(up, inner, lines - downLines, UP, true),
  ];
  return panel(
    {
      title: 'rates',
      focused: false,
      note:
        torrent === undefined
          ? []
          : [
              span(`↓ ${formatRate(torrent.downloadBytesPerSecond)}`, 'down'),
              span(' '),
              span(`↑ ${formatRate(torrent.uploadBytesPerSecond)}`, 'up'),
            ],
      remark: [span(`last ${formatDuration((samples * SAMPLE_MS) / 1000)}`, 'dim')],
    },
    body,
    width,
    height,
  );
}

/** One direction on its own scale; the scale's end stands at the far edge, where no bar reaches it. */
function half(
  samples: readonly number[],
  width: number,
  height: number,
  styles: readonly Style[],
  hanging: boolean,
): Row[] {
  if (height < 1) return [];
  const peak = Math.max(0, ...samples);
  const scale = roundUp(peak);
  const chart = brailleChart(samples, width, height, scale, hanging);
  return chart.map((text, y): Row => {
    const fromBase = hanging ? y : height - 1 - y;
    const style =
      styles[Math.min(styles.length - 1, Math.floor((fromBase * styles.length) / height))] ?? 'text';
    if (fromBase !== height - 1 || peak === 0) return [span(text, style)];
    const label = ` ${formatSize(scale)}/s `;
    const free = text.slice(0, label.length).trim() === '';
    return free ? [span(label, 'faint'), span(text.slice(label.length), style)] : [span(text, style)];
  });
}

/** The next round number of its unit, so that the scale moves seldom. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const unit = 1024 ** Math.floor(Math.log2(value) / 10);
  const power = unit * 10 ** Math.floor(Math.log10(value / unit));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}
