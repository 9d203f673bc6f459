/** What the dashboard remembers between two drawings: plain data, replaced and never changed. */
import type { EngineSnapshot, TorrentSnapshot } from './engine.js';

/** Every panel that can have the focus, in the order of the keys 1, 2, …. */
export const PANELS = ['torrents', 'peers', 'pieces', 'trackers', 'files', 'log'] as const;
export type Panel = (typeof PANELS)[number];

export const PEER_SORTS = ['rate', 'progress', 'address'] as const;
export type PeerSort = (typeof PEER_SORTS)[number];

/** Time between two samples of the rate chart. */
export const SAMPLE_MS = 500;
/** Samples kept a torrent: five minutes, more than the widest terminal shows. */
export const MAX_SAMPLES = 600;

/** Bytes per second, oldest first, equally long. */
export interface RateHistory {
  readonly down: readonly number[];
  readonly up: readonly number[];
}

export interface Model {
  readonly width: number;
  readonly height: number;
  /** Null until the first arrives. */
  readonly snapshot: EngineSnapshot | null;
  /** `torrentKey` of the chosen torrent; null or a torrent that is gone means the first. */
  readonly chosen: string | null;
  readonly focus: Panel;
  /** Lower panel shown while the torrents have the focus and there is room for one. */
  readonly tab: Panel;
  /** First line shown of each panel; of the log, lines back from the newest. */
  readonly scroll: Readonly<Partial<Record<Panel, number>>>;
  readonly peerSort: PeerSort;
  readonly help: boolean;
  /** By `torrentKey`. */
  readonly rates: Readonly<Record<string, RateHistory>>;
  readonly sampledAtMs: number;
}

export const initialModel = (width: number, height: number): Model => ({
  width,
  height,
  snapshot: null,
  chosen: null,
  focus: 'torrents',
  tab: 'peers',
  scroll: {},
  peerSort: 'rate',
  help: false,
  rates: {},
  sampledAtMs: Number.NEGATIVE_INFINITY,
});

/** Not the info-hash alone: a snapshot of several engines together may have one torrent several times. */
export const torrentKey = ({ infoHash, name }: TorrentSnapshot): string => `${infoHash} ${name}`;

/** Index of the chosen torrent; 0 when the choice is gone. */
export function chosenIndex({ snapshot, chosen }: Model): number {
  const index = snapshot?.torrents.findIndex((torrent) => torrentKey(torrent) === chosen) ?? -1;
  return Math.max(0, index);
}

export const chosenTorrent = (model: Model): TorrentSnapshot | undefined =>
  model.snapshot?.torrents[chosenIndex(model)];

/** Lines that a panel could show. */
export function panelLength(model: Model, panel: Panel): number {
  const torrent = chosenTorrent(model);
  switch (panel) {
    case 'torrents':
      return model.snapshot?.torrents.length ?? 0;
    case 'log':
      return model.snapshot?.log.length ?? 0;
    case 'peers':
    case 'trackers':
    case 'files':
      return torrent?.[panel].length ?? 0;
    case 'pieces':
      return 0;
  }
}
