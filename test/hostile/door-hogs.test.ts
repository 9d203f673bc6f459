/** Strangers that connect and do not shake hands, so that nobody else gets in. Linux: hosts are addresses of 127/8. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { Attacker } from './attacker.js';
import { Battlefield, peerOf, portOf } from './battlefield.js';

const LINUX_ONLY = process.platform === 'linux' ? false : 'needs addresses of 127/8';
const PER_HOST = 16;

/** Connects from each host as often as one may, says `opening`, and comes back when it is thrown out. */
class Crowd {
  comings = 0;
  /** Resolves when everybody has been in once. */
  readonly inside: Promise<void>;
  readonly #attackers = new Set<Attacker>();
  readonly #port: number;
  readonly #opening: Uint8Array;
  #isOver = false;

  constructor(port: number, hosts: readonly string[], opening: Uint8Array) {
    this.#port = port;
    this.#opening = opening;
    const all = hosts.flatMap((host) => Array.from({ length: PER_HOST }, () => this.#come(host)));
    this.inside = Promise.all(all).then(() => {});
  }

  end(): void {
    this.#isOver = true;
    for (const attacker of this.#attackers) attacker.end();
  }

  #come(localAddress: string): Promise<void> {
    this.comings++;
    const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress });
    const attacker = new Attacker(socket);
    if (this.#opening.length > 0) attacker.send(this.#opening);
    this.#attackers.add(attacker);
    void attacker.gone.then(() => {
      this.#attackers.delete(attacker);
      if (!this.#isOver) setTimeout(() => !this.#isOver && void this.#come(localAddress), 50);
    });
    return new Promise((resolve) => {
      socket.once('connect', resolve);
      socket.once('close', () => resolve());
    });
  }
}

const networks = (count: number, hostsOfEach: number): string[] =>
  Array.from({ length: count * hostsOfEach }, (_, i) => `127.${10 + (i % count)}.${i}.1`);

const CROWDS: [name: string, hosts: string[], bytesOfHandshake: number][] = [
  ['four hosts that say nothing', networks(4, 1), 0],
  ['forty hosts of ten networks that say nothing', networks(10, 4), 0],
  ['forty hosts of ten networks that stop in the middle of their handshake', networks(10, 4), 60],
];

for (const [name, hosts, bytes] of CROWDS)
  test(`${name} do not keep an honest peer from a seed`, { skip: LINUX_ONLY }, async (t) => {
    const field = await Battlefield.make(t, { bytes: 256 * 1024 });
    const seed = await field.seed();
    const opening = Buffer.concat([
      Buffer.from('\x13BitTorrent protocol'),
      Buffer.alloc(8),
      Buffer.from(field.metainfo.infoHash, 'hex'),
      Buffer.alloc(20),
    ]).subarray(0, bytes);
    const crowd = new Crowd(portOf(seed), hosts, opening);
    field.scope.after(() => crowd.end());
    await crowd.inside;

    const slow = await field.attack(seed);
    await slow.shaken;
    assert.equal(slow.isGone, false, 'is answered');

    const { engine, torrent } = await field.leech({ peers: [peerOf(seed)] });
    await torrent.completed;
    await field.assertDownloaded(engine);
  });

test('who shares its host with those that say nothing gets in too', { skip: LINUX_ONLY }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 256 * 1024 });
  const seed = await field.seed();
  const crowd = new Crowd(portOf(seed), ['127.0.0.1'], Buffer.alloc(0));
  field.scope.after(() => crowd.end());
  await crowd.inside;
  const { engine, torrent } = await field.leech({ peers: [peerOf(seed)] });
  await torrent.completed;
  await field.assertDownloaded(engine);
});
