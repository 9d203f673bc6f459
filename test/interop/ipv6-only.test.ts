/** Where nobody has an IPv4 address, peers are found by each way there is: us by us, us by libtorrent, it by us. */
import { describe, test } from 'node:test';
import type { PeerAddress } from '../../engine/units.js';
import type { RunningClient } from '../support/clients.js';
import { assertSameContent } from '../support/content.js';
import {
  libtorrentPeer,
  stageOf,
  swarmGet,
  swarmHub,
  swarmSeed,
  type Way,
} from '../support/discovery-stage.js';
import { enterNamespaces } from '../support/namespaces.js';
import { succeeded } from '../support/swarm-command.js';
import { assertFoundBy } from '../support/swarm-events.js';

const SIDE_BY_SIDE = 4;
const TIMEOUT_MS = 90_000;
const WAYS: readonly Way[] = ['tracker', 'dht', 'lsd', 'pex'];

const network = await enterNamespaces({ ipv4: false });

describe('without IPv4', { concurrency: SIDE_BY_SIDE }, () => {
  for (const way of WAYS) {
    for (const seeder of ['swarm', 'libtorrent'] as const)
      test(`swarm finds ${seeder} by ${way}`, { timeout: TIMEOUT_MS }, async (t) => {
        const stage = await stageOf(t, network, way, ...(seeder === 'swarm' ? [] : libtorrentPeer.needs));
        if (stage === undefined) return;
        const seed = (): Promise<{ readonly address: PeerAddress }> =>
          seeder === 'swarm' ? swarmSeed(stage) : libtorrentPeer.seed(stage);
        let finder: RunningClient;
        if (way === 'lsd') {
          finder = await swarmGet(stage);
          await finder.printed(/"type":"searching"/);
          await seed();
        } else {
          const { address } = await seed();
          finder = await (way === 'pex' ? swarmGet(stage, await swarmHub(stage, address)) : swarmGet(stage));
        }
        await succeeded(finder);
        await assertSameContent(stage.folder, stage.made.source);
        assertFoundBy(finder, way, ...(way === 'pex' ? (['user'] as const) : []));
      });

    test(`libtorrent finds swarm by ${way}`, { timeout: TIMEOUT_MS }, async (t) => {
      const stage = await stageOf(t, network, way, ...libtorrentPeer.needs);
      if (stage === undefined) return;
      const early = way === 'lsd' || way === 'pex' ? await libtorrentPeer.get(stage) : undefined;
      const seed = await swarmSeed(stage);
      const finder = early ?? (await libtorrentPeer.get(stage));
      if (way === 'pex') await swarmHub(stage, seed.address, finder.address);
      await finder.completed();
      await assertSameContent(stage.folder, stage.made.source);
    });
  }
});
