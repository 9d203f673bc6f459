/**
 * A magnet link alone, without any tracker: the `swarm` command, libtorrent and Transmission find each other over the
 * DHT alone, over local discovery alone, and over peer exchange alone; and the command tells where its peers came from.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PeerSourceName } from '../../engine/units.js';
import { temporaryFolder } from '../support/cleanup.js';
import type { RunningClient } from '../support/clients.js';
import { assertSameContent } from '../support/content.js';
import {
  libtorrentPeer,
  type Other,
  type Swarm,
  stageOf,
  swarm,
  swarmGet,
  swarmHub,
  swarmSeed,
  transmissionPeer,
} from '../support/discovery-stage.js';
import { enterNamespaces } from '../support/namespaces.js';
import { succeeded } from '../support/swarm-command.js';
import { assertFoundBy, eventsOf } from '../support/swarm-events.js';

/** Transmission waits most of the time. */
const SIDE_BY_SIDE = 12;
/** Transmission looks for peers a minute apart, and may miss the first times. */
const TIMEOUT_MS = 300_000;
/** From the torrent being added to the first peers of the DHT, on a busy machine; it takes a twentieth of that. */
const WARM_MS = 1_000;

const network = await enterNamespaces();

const WAYS: Readonly<Record<'dht' | 'lsd' | 'pex', string>> = {
  dht: 'the DHT',
  lsd: 'local discovery',
  pex: 'peer exchange',
};

describe('a magnet link without a tracker', { concurrency: SIDE_BY_SIDE }, () => {
  for (const [way, what] of Object.entries(WAYS) as ['dht' | 'lsd' | 'pex', string][]) {
    for (const other of [libtorrentPeer, transmissionPeer]) {
      test(`swarm get finds ${other.name}, which seeds, over ${what} alone`, {
        timeout: TIMEOUT_MS,
      }, async (t) => {
        const stage = await stageOf(t, network, way, ...other.needs);
        if (stage === undefined) return;
        const { folder, made } = stage;
        let finder: RunningClient;
        if (way === 'lsd') {
          // Who comes later is heard by who listens.
          finder = await swarmGet(stage);
          await finder.printed(/"type":"searching"/);
          await other.seed(stage);
        } else {
          const seed = await other.seed(stage);
          finder = await (way === 'pex'
            ? swarmGet(stage, await swarmHub(stage, seed.address))
            : swarmGet(stage));
        }
        await succeeded(finder);
        await assertSameContent(folder, made.source);
        assertFoundBy(finder, way, ...((way === 'pex' ? ['user'] : []) as PeerSourceName[]));
      });

      test(`${other.name} finds swarm seed over ${what} alone`, { timeout: TIMEOUT_MS }, async (t) => {
        const stage = await stageOf(t, network, way, ...other.needs);
        if (stage === undefined) return;
        const { folder, made } = stage;
        let finder: Other;
        let seed: Swarm;
        if (way === 'dht') {
          seed = await swarmSeed(stage);
          finder = await other.get(stage);
        } else {
          finder = await other.get(stage);
          seed = await swarmSeed(stage);
          if (way === 'pex') await swarmHub(stage, seed.address, finder.address);
        }
        await finder.completed();
        await assertSameContent(folder, made.source);
        const sources = eventsOf(seed.client).flatMap((event) =>
          event.type === 'peer-connected' || event.type === 'peers-found' ? [event.source] : [],
        );
        assert.ok(sources.length > 0, seed.client.output());
        for (const source of sources) assert.ok(source === way || source === 'incoming', String(source));
      });
    }
  }
});

test('swarm get, started again, finds peers in the DHT without bootstrap hosts', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const stage = await stageOf(t, network, 'dht');
  if (stage === undefined) return;
  const { folder, made, magnet, scope } = stage;
  await swarmSeed(stage);
  const home = await temporaryFolder(scope);
  await succeeded(await swarm(stage, ['get', magnet, '--out', folder], { home }));
  const again = await made.receiver('again');
  const warm = await swarm({ ...stage, dht: undefined }, ['get', magnet, '--out', again], {
    home,
  });
  await warm.printed(/"type":"added"/);
  const addedAt = performance.now();
  await warm.printed(/"type":"peers-found".*"source":"dht"/);
  const foundMs = performance.now() - addedAt;
  t.diagnostic(`peers after ${foundMs.toFixed(0)} ms`);
  assert.ok(foundMs < WARM_MS, `${foundMs} ms`);
  await succeeded(warm);
  await assertSameContent(again, made.source);
  assertFoundBy(warm, 'dht');
});
