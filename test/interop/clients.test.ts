/**
 * Every real client seeds and we download, and the reverse: a file and a folder at once, through our tracker and
 * through opentracker. We are the engine in this process, and the real command.
 */
import { describe, test } from 'node:test';
import { aria2 } from '../support/aria2.js';
import { cleanUpOf } from '../support/cleanup.js';
import { requireClient, skip } from '../support/clients.js';
import { assertSameContent, variedFolder, writeContent, writeFolder } from '../support/content.js';
import { Exchange } from '../support/exchange.js';
import { libtorrent } from '../support/libtorrent.js';
import { enterNamespaces, loopback, type NetworkSide } from '../support/namespaces.js';
import type { RealClient } from '../support/real-clients.js';
import { swarmCommand } from '../support/swarm-command.js';
import { swarmEngine } from '../support/swarm-engine.js';
import { opentracker, ourTracker, seedsAnnounced, type TestTracker } from '../support/tracker-watch.js';
import { transmission } from '../support/transmission.js';

const PIECE_LENGTH = 64 * 1024;
/** Transmission unchokes every 10 s: tests that wait for it may wait side by side. */
const SIDE_BY_SIDE = 4;
const TIMEOUT_MS = 90_000;

const namespaces = await enterNamespaces();
const network = namespaces ?? loopback;

describe('swarm and real clients exchange torrents', { concurrency: SIDE_BY_SIDE }, () => {
  for (const client of [aria2, libtorrent, transmission]) {
    for (const tracker of [ourTracker, opentracker]) {
      // The command takes the place of the library with one of the trackers.
      const us = tracker === ourTracker ? swarmEngine : swarmCommand;
      const [getProtocol, seedProtocol] = tracker === ourTracker ? ['http:', 'udp:'] : ['udp:', 'http:'];
      exchange(client, network.far, us, network.near, tracker, client.speaksUdp ? getProtocol : 'http:');
      exchange(us, network.near, client, network.far, tracker, client.speaksUdp ? seedProtocol : 'http:');
    }
  }
});

function exchange(
  seeder: RealClient,
  seederSide: NetworkSide,
  receiver: RealClient,
  receiverSide: NetworkSide,
  tracker: TestTracker,
  protocol: string,
): void {
  const title = `${receiver.name} downloads a file and a folder from ${seeder.name} through ${tracker.name}, ${protocol}`;
  test(title, { timeout: TIMEOUT_MS }, async (t) => {
    if (!requireClient(t, ...seeder.needs, ...receiver.needs, ...tracker.needs)) return;
    if (!namespaces && (seeder.needsNamespaces || receiver.needsNamespaces)) {
      skip(t, 'needs network namespaces, which only root can make');
      return;
    }
    const scope = cleanUpOf(t);
    const made = await Exchange.create(scope, PIECE_LENGTH, {
      'one file.bin': (path) => writeContent(path, 40 * PIECE_LENGTH + 12_345, title),
      folder: (path) => writeFolder(path, variedFolder(PIECE_LENGTH), title),
    });
    const names = ['one file.bin', 'folder'];
    const hashes = await Promise.all(names.map(async (name) => (await made.torrentOf(name)).infoHash));
    const announce = await tracker.start(scope, network.near, hashes);
    const url = announce.replace('http:', protocol);
    const torrents = await Promise.all(names.map(async (name) => (await made.torrentOf(name, url)).file));
    const received = await made.receiver();
    await seeder.seed(scope, seederSide, { torrents, folder: made.source });
    for (const hash of hashes) await seedsAnnounced(announce, hash);
    await receiver.get(scope, receiverSide, { torrents, folder: received });
    await assertSameContent(received, made.source, { exceptEmptyFiles: receiver.omitsEmptyFiles });
  });
}
