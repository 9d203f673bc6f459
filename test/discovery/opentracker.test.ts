import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { TrackerSource } from '../../engine/discovery/tracker-source.js';
import { UdpTrackerSockets } from '../../engine/discovery/udp-tracker.js';
import { asInfoHash, type PeerAddress } from '../../engine/units.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { requireClient, startClient } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { INFO_HASH, realClock, until } from './helpers.js';

/** It prints nothing into a pipe and reads its list after it began to listen: so it is asked, with a goodbye. */
async function isServing(port: number): Promise<boolean> {
  const infoHash = INFO_HASH.replace(/../g, '%$&');
  const query = `info_hash=${infoHash}&peer_id=${'x'.repeat(20)}&port=1&left=1&event=stopped`;
  const answer = await fetch(`http://127.0.0.1:${port}/announce?${query}`).catch(() => undefined);
  return answer !== undefined && !(await answer.text()).includes('failure reason');
}

/** An opentracker that serves `INFO_HASH` over HTTP and UDP at the port that is returned. */
async function startOpentracker(t: TestContext): Promise<number> {
  const cleanUp = cleanUpOf(t);
  const folder = await temporaryFolder(cleanUp);
  await chmod(folder, 0o755); // it gives up its rights before it reads the list
  await writeFile(`${folder}/whitelist`, `${INFO_HASH}\n`);
  const port = await freePort();
  const at = ['-i', '127.0.0.1', '-p', `${port}`, '-P', `${port}`];
  const { process } = startClient(cleanUp, 'opentracker', [...at, '-d', folder, '-w', 'whitelist']);
  while (!(await isServing(port))) assert.equal(process.exitCode, null, 'opentracker ended');
  return port;
}

/** A peer of the torrent that listens at `port`, as its tracker client sees the swarm. */
function peer(t: TestContext, url: string, port: number, left: number, infoHash = INFO_HASH) {
  let leftBytes = left;
  const udp = new UdpTrackerSockets({ clock: realClock });
  const trackers = new TrackerSource({
    tiers: [[url]],
    identity: {
      infoHash: asInfoHash(infoHash),
      peerId: Buffer.from(`-SW0100-${port}${'x'.repeat(8)}`.slice(0, 20), 'latin1'),
      key: port,
      port: () => port,
    },
    totals: () => ({ uploadedBytes: 0, downloadedBytes: 0, leftBytes, isPartialSeed: false }),
    clock: realClock,
    rng: Math.random,
    udp,
    userAgent: 'swarm-test/1',
  });
  t.after(async () => {
    await trackers.stop(100);
    udp.close();
  });
  const peers: PeerAddress[] = [];
  const row = () => trackers.snapshot()[0] ?? assert.fail();
  const started = async () => {
    trackers.start({ onPeers: (found) => void peers.push(...found), onStatus: () => {} });
    await until(() => row().state === 'working' || row().state === 'failed');
    return row();
  };
  const complete = (): void => {
    leftBytes = 0;
    trackers.completed();
  };
  return { trackers, peers, started, complete };
}

describe('opentracker', { timeout: 30_000 }, () => {
  for (const scheme of ['http', 'udp'])
    it(`introduces peers to each other over ${scheme}, counts them, and forgets them`, async (t) => {
      if (!requireClient(t, 'opentracker')) return;
      const url = `${scheme}://127.0.0.1:${await startOpentracker(t)}/announce`;
      const seed = peer(t, url, 1_001, 0);
      assert.equal((await seed.started()).state, 'working');
      const leecher = peer(t, url, 1_002, 5);
      assert.equal((await leecher.started()).message, '');
      assert(leecher.peers.some(({ host, port }) => host === '127.0.0.1' && port === 1_001));
      const counts = await leecher.trackers.scrape();
      assert.deepEqual([counts?.seeders, counts?.leechers], [1, 1]);
      leecher.complete();
      const end = performance.now() + 5_000;
      while ((await seed.trackers.scrape())?.downloads !== 1) assert(performance.now() < end, 'not counted');
      await leecher.trackers.stop(2_000);
      const { seeders, leechers } = (await seed.trackers.scrape()) ?? assert.fail();
      assert.deepEqual([seeders, leechers], [1, 0]);
    });

  it('refuses a torrent that it does not serve, and its reason is kept', async (t) => {
    if (!requireClient(t, 'opentracker')) return;
    const url = `http://127.0.0.1:${await startOpentracker(t)}/announce`;
    const { state, message } = await peer(t, url, 1_001, 5, 'f'.repeat(40)).started();
    assert.equal(state, 'failed');
    assert.match(message, /not authorized/);
  });
});
