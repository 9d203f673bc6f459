/** How the dashboard's state changes: one pure function from (model, message) to model. */
import type { EngineSnapshot } from './engine.js';
import type { Model, Panel, RateHistory } from './model.js';
import { chosenIndex, MAX_SAMPLES, PANELS, PEER_SORTS, panelLength, SAMPLE_MS, torrentKey } from './model.js';

export type Message =
  | { readonly type: 'snapshot'; readonly snapshot: EngineSnapshot }
  | { readonly type: 'resize'; readonly width: number; readonly height: number }
  /** In the focused panel, by lines; positive is down. */
  | { readonly type: 'move'; readonly lines: number }
  /** In the focused panel, by screens. */
  | { readonly type: 'page'; readonly screens: number }
  | { readonly type: 'choose'; readonly by: number }
  | { readonly type: 'focus'; readonly panel: Panel }
  | { readonly type: 'focus-next'; readonly by: 1 | -1 }
  | { readonly type: 'sort' }
  | { readonly type: 'help' }
  | { readonly type: 'escape' };

export function update(model: Model, message: Message): Model {
  switch (message.type) {
    case 'snapshot':
      return clampScrolls(sampleRates({ ...model, snapshot: message.snapshot }, message.snapshot));
    case 'resize':
      return { ...model, width: message.width, height: message.height };
    case 'move':
      return model.focus === 'torrents' ? choose(model, message.lines) : scroll(model, message.lines);
    case 'page': {
      const lines = message.screens * Math.max(1, Math.floor(model.height / 2));
      return model.focus === 'torrents' ? choose(model, lines) : scroll(model, lines);
    }
    case 'choose':
      return choose(model, message.by);
    case 'focus':
      return focus(model, message.panel);
    case 'focus-next': {
      const next = PANELS.indexOf(model.focus) + message.by + PANELS.length;
      return focus(model, PANELS[next % PANELS.length] ?? 'torrents');
    }
    case 'sort': {
      const next = PEER_SORTS.indexOf(model.peerSort) + 1;
      return { ...model, peerSort: PEER_SORTS[next % PEER_SORTS.length] ?? 'rate' };
    }
    case 'help':
      return { ...model, help: !model.help };
    case 'escape':
      return model.help ? { ...model, help: false } : focus(model, 'torrents');
  }
}

function focus(model: Model, panel: Panel): Model {
  return { ...model, help: false, focus: panel, tab: panel === 'torrents' ? model.tab : panel };
}

/** Another torrent's lists start at their tops. */
function choose(model: Model, by: number): Model {
  const torrents = model.snapshot?.torrents ?? [];
  const index = Math.min(torrents.length - 1, Math.max(0, chosenIndex(model) + by));
  const torrent = torrents[index];
  if (torrent === undefined) return { ...model, chosen: null };
  const chosen = torrentKey(torrent);
  if (index === chosenIndex(model)) return { ...model, chosen };
  return { ...model, chosen, scroll: model.scroll.log === undefined ? {} : { log: model.scroll.log } };
}

function scroll(model: Model, lines: number): Model {
  const panel = model.focus;
  // The log is counted from its newest line, which stays in view while lines arrive.
  const to = (model.scroll[panel] ?? 0) + (panel === 'log' ? -lines : lines);
  return clampScrolls({ ...model, scroll: { ...model.scroll, [panel]: to } });
}

/** Lists shrink between two snapshots. The view stops earlier still, at the last full screen. */
function clampScrolls(model: Model): Model {
  const clamped: Partial<Record<Panel, number>> = {};
  for (const panel of PANELS) {
    const to = Math.min(panelLength(model, panel) - 1, model.scroll[panel] ?? 0);
    if (to > 0) clamped[panel] = to;
  }
  return { ...model, scroll: clamped };
}

function sampleRates(model: Model, snapshot: EngineSnapshot): Model {
  if (snapshot.uptimeMs < model.sampledAtMs + SAMPLE_MS) return model;
  const rates: Record<string, RateHistory> = {};
  for (const torrent of snapshot.torrents) {
    const key = torrentKey(torrent);
    const before = model.rates[key];
    rates[key] = {
      down: append(before?.down, torrent.downloadBytesPerSecond),
      up: append(before?.up, torrent.uploadBytesPerSecond),
    };
  }
  return { ...model, rates, sampledAtMs: snapshot.uptimeMs };
}

const append = (samples: readonly number[] = [], sample: number): number[] => [
  ...samples.slice(-(MAX_SAMPLES - 1)),
  sample,
];
