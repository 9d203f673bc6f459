/**
 * Encrypted connections with real clients: each mode of ours with each of theirs that fits, once dialling and once
 * being dialled, and whether what followed the handshake was RC4.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { EngineOptions, Torrent } from '../../engine/index.js';
import { aria2With } from '../support/aria2.js';
import { cleanUpOf } from '../support/cleanup.js';
import { requireClient, skip } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { Exchange } from '../support/exchange.js';
import { libtorrentWith } from '../support/libtorrent.js';
import { enterNamespaces, loopback } from '../support/namespaces.js';
import type { RealClient } from '../support/real-clients.js';
import { startEngine } from '../support/swarm-engine.js';
import { ourTracker, seedsAnnounced } from '../support/tracker-watch.js';
import { transmissionWith } from '../support/transmission.js';

const PIECE_LENGTH = 64 * 1024;
/** Transmission unchokes every 10 s: tests that wait for it may wait side by side. */
const SIDE_BY_SIDE = 4;
const TIMEOUT_MS = 90_000;

type Mode = NonNullable<EngineOptions['encryption']>;

interface Case {
  readonly ours: Mode;
  readonly theirs: RealClient;
  /** What is to follow the handshake when we dial, and when they do; undefined: they may choose. */
  readonly rc4: { readonly weDial: boolean | undefined; readonly theyDial: boolean | undefined };
}

const ALWAYS = { weDial: true, theyDial: true };
const NEVER = { weDial: false, theyDial: false };
/** Who accepts chooses, and we choose plaintext. */
const THEY_CHOOSE = { weDial: undefined, theyDial: false };

/** Settings as libtorrent numbers them: enc_policy forced 0, enabled 1, disabled 2; enc_level plaintext 1, rc4 2, both 3. */
const libtorrentSettings = (policy: number, level: number, prefersRc4 = false) => ({
  in_enc_policy: policy,
  out_enc_policy: policy,
  allowed_enc_level: level,
  prefer_rc4: prefersRc4,
  // It may dial in plaintext first, and come back only after this many seconds.
  min_reconnect_time: 1,
});

const libtorrent = {
  off: libtorrentWith('libtorrent without', libtorrentSettings(2, 3)),
  plaintext: libtorrentWith('libtorrent by default', libtorrentSettings(1, 3)),
  rc4: libtorrentWith('libtorrent that prefers RC4', libtorrentSettings(1, 3, true)),
  handshake: libtorrentWith('libtorrent that requires an encrypted handshake', libtorrentSettings(0, 3)),
  require: libtorrentWith('libtorrent that requires RC4', libtorrentSettings(0, 2)),
};
const transmission = {
  tolerate: transmissionWith('Transmission that tolerates it', { encryption: 0 }),
  prefer: transmissionWith('Transmission by default', { encryption: 1 }),
  require: transmissionWith('Transmission that requires it', { encryption: 2 }),
};
const aria2 = {
  prefer: aria2With('aria2 by default', []),
  handshake: aria2With('aria2 that requires an encrypted handshake', ['--bt-require-crypto=true']),
  require: aria2With('aria2 that requires RC4', ['--bt-force-encryption=true']),
};

const CASES: readonly Case[] = [
  { ours: 'off', theirs: libtorrent.plaintext, rc4: NEVER },
  { ours: 'prefer', theirs: libtorrent.off, rc4: NEVER },
  { ours: 'prefer', theirs: libtorrent.plaintext, rc4: NEVER },
  { ours: 'prefer', theirs: libtorrent.rc4, rc4: { weDial: true, theyDial: false } },
  { ours: 'prefer', theirs: libtorrent.handshake, rc4: NEVER },
  { ours: 'prefer', theirs: libtorrent.require, rc4: ALWAYS },
  { ours: 'require', theirs: libtorrent.plaintext, rc4: ALWAYS },
  { ours: 'require', theirs: libtorrent.require, rc4: ALWAYS },
  { ours: 'off', theirs: transmission.prefer, rc4: NEVER },
  { ours: 'prefer', theirs: transmission.tolerate, rc4: THEY_CHOOSE },
  // It provides nothing but RC4 when it dials.
  { ours: 'prefer', theirs: transmission.prefer, rc4: ALWAYS },
  { ours: 'prefer', theirs: transmission.require, rc4: ALWAYS },
  { ours: 'require', theirs: transmission.prefer, rc4: ALWAYS },
  { ours: 'require', theirs: transmission.require, rc4: ALWAYS },
  { ours: 'off', theirs: aria2.prefer, rc4: NEVER },
  { ours: 'prefer', theirs: aria2.prefer, rc4: THEY_CHOOSE },
  { ours: 'prefer', theirs: aria2.handshake, rc4: THEY_CHOOSE },
  { ours: 'prefer', theirs: aria2.require, rc4: ALWAYS },
  { ours: 'require', theirs: aria2.prefer, rc4: ALWAYS },
  { ours: 'require', theirs: aria2.require, rc4: ALWAYS },
];

const namespaces = await enterNamespaces();
const { near, far } = namespaces ?? loopback;

describe('swarm with encryption', { concurrency: SIDE_BY_SIDE }, () => {
  for (const each of CASES) {
    exchange(each, 'weDial');
    exchange(each, 'theyDial');
  }
});

/** Who downloads dials: the seed's first announce names nobody yet. */
function exchange({ ours, theirs, rc4 }: Case, direction: 'weDial' | 'theyDial'): void {
  const title =
    direction === 'weDial' ? `${ours} downloads from ${theirs.name}` : `${ours} seeds to ${theirs.name}`;
  test(title, { timeout: TIMEOUT_MS }, async (t) => {
    if (!requireClient(t, ...theirs.needs)) return;
    if (!namespaces && theirs.needsNamespaces) {
      skip(t, 'needs network namespaces, which only root can make');
      return;
    }
    const scope = cleanUpOf(t);
    const made = await Exchange.create(scope, PIECE_LENGTH, {
      'a.bin': (path) => writeContent(path, 20 * PIECE_LENGTH + 12_345, title),
    });
    const { infoHash } = await made.torrentOf('a.bin');
    const announce = await ourTracker.start(scope, near, [infoHash]);
    const { file } = await made.torrentOf('a.bin', announce);
    const received = await made.receiver();
    const engine = await startEngine(scope, near, { encryption: ours });
    const seen = new Set<boolean>();
    if (direction === 'weDial') {
      await theirs.seed(scope, far, { torrents: [file], folder: made.source });
      await seedsAnnounced(announce, infoHash);
      const torrent = engine.add(await readFile(file), { out: received });
      noteEncrypted(torrent, seen);
      await torrent.completed;
    } else {
      noteEncrypted(engine.add(await readFile(file), { out: made.source, readOnly: true }), seen);
      await seedsAnnounced(announce, infoHash);
      await theirs.get(scope, far, { torrents: [file], folder: received });
    }
    await assertSameContent(received, made.source);
    const expected = rc4[direction];
    if (expected !== undefined) assert.deepEqual([...seen], [expected], 'whether RC4 was used');
  });
}

function noteEncrypted(torrent: Torrent, seen: Set<boolean>): void {
  torrent.onEvent((event) => {
    if (event.type !== 'peer-connected') return;
    for (const { encrypted } of torrent.snapshot().peers) seen.add(encrypted);
  });
}
