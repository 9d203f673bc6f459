/**
 * Victim: an engine in a process of its own, so that its memory can be measured and its death noticed. It is told
 * what to do by its first message, and answers `memory` with what it has.
 */
import { readFile } from 'node:fs/promises';
import { type AddOptions, Engine, type EngineOptions } from '../../engine/index.js';

export interface VictimOrder {
  readonly engine: EngineOptions;
  readonly torrentFile: string;
  readonly add: AddOptions;
}

export type VictimReport =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'completed' }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'memory'; readonly rssBytes: number; readonly peers: number; readonly unchoked: number };

const report = (message: VictimReport): void => {
  process.send?.(message);
};

let engine: Engine | undefined;

async function obey(order: VictimOrder): Promise<void> {
  engine = await Engine.create(order.engine);
  const torrent = engine.add(await readFile(order.torrentFile), order.add);
  torrent.completed.then(
    () => report({ type: 'completed' }),
    (error: Error) => report({ type: 'failed', message: error.message }),
  );
  await new Promise<void>((resolve) => {
    torrent.onEvent((event) => {
      if (event.type === 'checked') setImmediate(resolve);
    });
  });
  report({ type: 'listening', port: engine.listen?.port ?? 0 });
}

process.on('message', (message: VictimOrder | 'memory') => {
  if (message !== 'memory') void obey(message);
  else {
    const peers = engine?.snapshot().torrents.flatMap((torrent) => torrent.peers) ?? [];
    const unchoked = peers.filter(({ amChoking }) => !amChoking).length;
    report({ type: 'memory', rssBytes: process.memoryUsage().rss, peers: peers.length, unchoked });
  }
});
process.on('disconnect', () => process.exit());
