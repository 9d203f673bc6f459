/** The whole screen: a pure function from the model to exactly `height` rows of exactly `width` cells. */
import type { EngineSnapshot } from './engine.js';
import { formatDuration, formatRate, formatSize } from './format.js';
import type { Model, Panel } from './model.js';
import { shorten } from './shorten.js';
import type { Row, Span } from './spans.js';
import { beside, fitRow, rowWidth, span, spread } from './spans.js';
import { filesPanel } from './view/files.js';
import { helpPanel } from './view/help.js';
import { logPanel } from './view/log.js';
import { peersPanel } from './view/peers.js';
import { piecesPanel } from './view/pieces.js';
import { ratesPanel } from './view/rates.js';
import { torrentsHeight, torrentsPanel } from './view/torrents.js';
import { trackersPanel } from './view/trackers.js';

/** From this size on every panel is on the screen at once. */
const WIDE = { width: 120, height: 36 } as const;
/** From this height on, rates and pieces stand above the lower panel. */
const STRIP_HEIGHT = 18;
/** From this height on, the space below them holds two panels. */
const PAIR_HEIGHT = 24;

/** Of the height, at most: torrents that are chosen among get more than torrents that are looked past. */
const TORRENTS_SHARE = { focused: 0.4, other: 0.3 } as const;
/** Of the width: leaves the pieces' legend room at 80 cells. */
const RATES_SHARE = 0.48;

const PANEL_VIEW: Readonly<Record<Panel, (model: Model, width: number, height: number) => Row[]>> = {
  torrents: torrentsPanel,
  peers: peersPanel,
  pieces: piecesPanel,
  trackers: trackersPanel,
  files: filesPanel,
  log: logPanel,
};

export function view(model: Model): Row[] {
  const { width, height } = model;
  if (width < 1 || height < 1) return [];
  const rows = [header(model), ...body(model, width, height - 2), footer(model)];
  return Array.from({ length: height }, (_, y) => fitRow(rows[y] ?? [], width));
}

function body(model: Model, width: number, height: number): Row[] {
  if (height < 1) return [];
  if (model.help) return helpPanel(width, height);
  if (width >= WIDE.width && height >= WIDE.height) return wide(model, width, height);
  return stacked(model, width, height);
}

/** All panels: torrents; rates and pieces; peers and files; trackers and log. */
function wide(model: Model, width: number, height: number): Row[] {
  const top = Math.min(torrentsHeight(model), Math.floor(height / 4));
  const charts = Math.floor((height - top) / 4);
  const bottom = Math.min(12, Math.floor((height - top) / 4));
  const middle = height - top - charts - bottom;
  const half = width >> 1;
  const main = Math.floor(width * 0.66);
  return [
    ...torrentsPanel(model, width, top),
    ...beside(ratesPanel(model, half, charts), piecesPanel(model, width - half, charts)),
    ...beside(peersPanel(model, main, middle), filesPanel(model, width - main, middle)),
    ...beside(trackersPanel(model, main, bottom), logPanel(model, width - main, bottom)),
  ];
}

/** Torrents above, one or two other panels below, rates and pieces between them when there is room. */
function stacked(model: Model, width: number, height: number): Row[] {
  if (height < 8) return PANEL_VIEW[model.focus](model, width, height);
  const share = model.focus === 'torrents' ? TORRENTS_SHARE.focused : TORRENTS_SHARE.other;
  const top = Math.min(torrentsHeight(model), Math.max(4, Math.floor(height * share)));
  const rows = torrentsPanel(model, width, top);
  let left = height - top;
  if (left + top >= STRIP_HEIGHT && width >= 60 && model.tab !== 'pieces') {
    const strip = Math.max(6, Math.floor(height / 4));
    const rates = Math.floor(width * RATES_SHARE);
    rows.push(...beside(ratesPanel(model, rates, strip), piecesPanel(model, width - rates, strip)));
    left -= strip;
  }
  if (left >= PAIR_HEIGHT) {
    const lower = Math.floor(left * 0.4);
    rows.push(...PANEL_VIEW[model.tab](model, width, left - lower));
    rows.push(...PANEL_VIEW[model.tab === 'peers' ? 'log' : 'peers'](model, width, lower));
  } else rows.push(...PANEL_VIEW[model.tab](model, width, left));
  return rows;
}

function header({ snapshot, width }: Model): Row {
  const badge: Span[] = [span(' swarm ', 'badge'), span('  ')];
  if (snapshot === null) return [...badge, span('starting', 'dim')];
  const parts: Row[] = [
    [span(`↓ ${formatRate(snapshot.downloadBytesPerSecond)}`, 'down')],
    [span(`↑ ${formatRate(snapshot.uploadBytesPerSecond)}`, 'up')],
    [span(`${snapshot.peerCount}`, 'strong'), span(snapshot.peerCount === 1 ? ' peer' : ' peers', 'dim')],
    [
      span(snapshot.listen === null ? 'not listening' : `port ${snapshot.listen.port}`, 'dim'),
      ...wayIn(snapshot),
    ],
    ...dhtPart(snapshot),
    [
      span(
        `buffers ${formatSize(snapshot.arena.usedBytes)} of ${formatSize(snapshot.arena.totalBytes)}`,
        'dim',
      ),
    ],
  ];
  const left: Span[] = badge;
  const uptime: Row = [span(`up ${formatDuration(Math.floor(snapshot.uptimeMs / 1000))} `, 'dim')];
  for (const [i, part] of parts.entries()) {
    // The rates matter more than the time.
    const besides = i < 2 ? 0 : 3 + rowWidth(uptime);
    if (rowWidth(left) + rowWidth(part) + besides > width) break;
    left.push(...part, span('   '));
  }
  return spread(left, uptime, width);
}

const PROTOCOLS = { upnp: 'UPnP', 'nat-pmp': 'NAT-PMP', pcp: 'PCP' } as const;

/** How others reach us; nothing while nobody can say. */
function wayIn({ listen, binding, reachability: { state, how, confirmed } }: EngineSnapshot): Row {
  if (binding?.state === 'lost') return [span(' '), span(`${shorten(binding.target, 20)} is away`, 'bad')];
  if (listen === null || state === 'unknown') return [];
  if (state === 'outgoing only') return [span(' '), span('outgoing only', 'warn')];
  if (state === 'mapped') return [span(how === null ? ' mapped' : ` mapped by ${PROTOCOLS[how]}`, 'dim')];
  return confirmed ? [span(' reachable', 'dim')] : [];
}

function dhtPart({ dht }: EngineSnapshot): Row[] {
  if (dht === null || dht.state === 'off') return [];
  const nodes = dht.nodes4 + dht.nodes6;
  if (nodes > 0) return [[span(`DHT ${nodes}`, 'dim')]];
  return [[span(dht.state === 'joining' ? 'joining the DHT' : 'no DHT', 'dim')]];
}

function footer({ width, help }: Model): Row {
  const keys: readonly (readonly [key: string, does: string])[] = help
    ? [
        ['Esc', 'back'],
        ['q', 'quit'],
      ]
    : [
        ['q', 'quit'],
        ['?', 'help'],
        ['↑↓', 'move'],
        ['Tab 1–6', 'panel'],
        ['←→', 'torrent'],
        ['s', 'sort peers'],
      ];
  const row: Span[] = [];
  for (const [key, does] of keys) {
    const gap = row.length === 0 ? ' ' : '   ';
    if (rowWidth(row) + gap.length + key.length + 1 + does.length > width) break;
    row.push(span(gap), span(key, 'accent'), span(` ${does}`, 'dim'));
  }
  return row;
}
