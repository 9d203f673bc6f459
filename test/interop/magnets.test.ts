/**
 * Every real client has the torrents and we have their magnet links, and the reverse: metadata and content come over
 * the same connections, from a tracker that the link names, a peer that it names, or one that the user names.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parseTorrent } from '../../engine/index.js';
import { aria2 } from '../support/aria2.js';
import { type CleanUp, cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { requireClient, skip } from '../support/clients.js';
import { assertSameContent, variedFolder, writeContent, writeFolder } from '../support/content.js';
import { Exchange } from '../support/exchange.js';
import { libtorrent, startLibtorrent } from '../support/libtorrent.js';
import { enterNamespaces, loopback, type NetworkSide } from '../support/namespaces.js';
import type { RealClient } from '../support/real-clients.js';
import { startSwarm, succeeded, swarmCommand } from '../support/swarm-command.js';
import { ourTracker, seedsAnnounced } from '../support/tracker-watch.js';
import { transmission } from '../support/transmission.js';

const PIECE_LENGTH = 16 * 1024;
/** Of metadata (BEP 9). */
const METADATA_PIECE_BYTES = 16 * 1024;
const SIDE_BY_SIDE = 4;
const TIMEOUT_MS = 90_000;

const namespaces = await enterNamespaces();
const network = namespaces ?? loopback;

/** A folder whose metadata has several pieces, and a file whose metadata has one. */
async function exchangeOf(scope: CleanUp, seed: string): Promise<Exchange> {
  const made = await Exchange.create(scope, PIECE_LENGTH, {
    folder: (path) => writeFolder(path, { ...variedFolder(PIECE_LENGTH), 'many pieces': 30_000_000 }, seed),
    'one file.bin': (path) => writeContent(path, 12_345, seed),
  });
  const metadataPieces = async (name: string) => {
    const { rawInfo } = parseTorrent(await readFile((await made.torrentOf(name)).file));
    return Math.ceil(rawInfo.length / METADATA_PIECE_BYTES);
  };
  assert.deepEqual([await metadataPieces('folder'), await metadataPieces('one file.bin')], [3, 1]);
  return made;
}

/** libtorrent reads `x.pe` as it stands. */
const linkTo = (infoHash: string, parameters: Readonly<Record<string, string>>): string =>
  `magnet:?xt=urn:btih:${infoHash}${Object.entries(parameters)
    .map(([key, value]) => `&${key}=${value}`)
    .join('')}`;

describe('swarm and real clients exchange torrents by magnet links', { concurrency: SIDE_BY_SIDE }, () => {
  for (const client of [aria2, libtorrent, transmission]) {
    byTracker(client, network.far, swarmCommand, network.near);
    byTracker(swarmCommand, network.near, client, network.far);
  }

  for (const how of ['the link names', '--peer names'] as const)
    test(`swarm downloads from libtorrent, which ${how}`, { timeout: TIMEOUT_MS }, async (t) => {
      if (!requireClient(t, ...libtorrent.needs)) return;
      const scope = cleanUpOf(t);
      const made = await exchangeOf(scope, how);
      const { file, infoHash } = await made.torrentOf('folder');
      const torrents = [{ file, folder: made.source, seed: true }];
      const { address } = await startLibtorrent(scope, network.far, { torrents });
      const peer = `${address.host}:${address.port}`;
      const found =
        how === 'the link names' ? [linkTo(infoHash, { 'x.pe': peer })] : [infoHash, '--peer', peer];
      const received = await made.receiver();
      const listen = ['--listen', `${network.near.hosts[0]}:0`];
      const argv = ['get', ...found, '--out', received, '--json', ...listen];
      await succeeded(startSwarm(scope, network.near, await temporaryFolder(scope), argv));
      await assertSameContent(`${received}/folder`, `${made.source}/folder`);
    });

  test('libtorrent downloads from swarm, which the link names', { timeout: TIMEOUT_MS }, async (t) => {
    if (!requireClient(t, ...libtorrent.needs)) return;
    const scope = cleanUpOf(t);
    const made = await exchangeOf(scope, t.name);
    const listen = ['--listen', `${network.near.hosts[0]}:0`, '--piece-length', '16K'];
    const argv = ['seed', `${made.source}/folder`, '--json', ...listen];
    const seed = startSwarm(scope, network.near, await temporaryFolder(scope), argv);
    const [, port] = await seed.printed(/"type":"seeding".*"port":(\d+)/);
    const { infoHash } = await made.torrentOf('folder');
    const link = linkTo(infoHash, { 'x.pe': `${network.near.hosts[0]}:${port}` });
    const received = await made.receiver();
    await libtorrent.get(scope, network.far, { torrents: [link], folder: received });
    await assertSameContent(`${received}/folder`, `${made.source}/folder`);
  });
});

function byTracker(
  seeder: RealClient,
  seederSide: NetworkSide,
  receiver: RealClient,
  receiverSide: NetworkSide,
): void {
  const title = `${receiver.name} downloads from ${seeder.name}, which a tracker of the link names`;
  test(title, { timeout: TIMEOUT_MS }, async (t) => {
    if (!requireClient(t, ...seeder.needs, ...receiver.needs)) return;
    if (!namespaces && (seeder.needsNamespaces || receiver.needsNamespaces)) {
      skip(t, 'needs network namespaces, which only root can make');
      return;
    }
    const scope = cleanUpOf(t);
    const made = await exchangeOf(scope, title);
    const names = ['folder', 'one file.bin'];
    const hashes = await Promise.all(names.map(async (name) => (await made.torrentOf(name)).infoHash));
    const announce = await ourTracker.start(scope, network.near, hashes);
    const torrents = await Promise.all(
      names.map(async (name) => (await made.torrentOf(name, announce)).file),
    );
    await seeder.seed(scope, seederSide, { torrents, folder: made.source });
    for (const hash of hashes) await seedsAnnounced(announce, hash);
    const received = await made.receiver();
    const links = hashes.map((hash) => linkTo(hash, { tr: encodeURIComponent(announce), dn: 'a+name' }));
    await receiver.get(scope, receiverSide, { torrents: links, folder: received });
    await assertSameContent(received, made.source, { exceptEmptyFiles: receiver.omitsEmptyFiles });
  });
}
