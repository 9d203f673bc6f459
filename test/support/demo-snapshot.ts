/** A made-up engine for looking at the dashboard and for testing it: the same seed gives the same snapshots. */
import type {
  EngineSnapshot,
  FileSnapshot,
  LogLine,
  PeerSnapshot,
  TorrentSnapshot,
  TrackerSnapshot,
} from '../../engine/snapshot.js';
import { PIECE_STATE } from '../../engine/snapshot.js';

const CLIENTS = [
  'qBittorrent 5.0.2',
  'Transmission 4.0.6',
  'libtorrent 2.0.8',
  'aria2 1.36.0',
  'Deluge 2.1.1',
  'µTorrent 3.6',
  'rTorrent 0.9.8',
  'BiglyBT 3.7',
  'swarm 0.1.0',
];
const SOURCES = ['tracker', 'dht', 'pex', 'lsd', 'user', 'incoming'] as const;
const PIECE_LENGTH = 262_144;

export interface DemoOptions {
  readonly seed?: number;
  readonly peers?: number;
  readonly pieces?: number;
}

export class DemoEngine {
  readonly #random: () => number;
  readonly #torrents: DemoTorrent[];
  readonly #log: LogLine[] = [];
  #uptimeMs = 0;

  constructor({ seed = 1, peers = 23, pieces = 2_576 }: DemoOptions = {}) {
    this.#random = mulberry32(seed);
    this.#torrents = [
      new DemoTorrent(this.#random, 'debian-12.7.0-amd64-netinst.iso', 'downloading', pieces, peers, 0.38),
      new DemoTorrent(this.#random, 'Sita Sings the Blues (2008) 1080p', 'downloading', 14_210, 9, 0.81),
      new DemoTorrent(this.#random, '日本語の資料集 2024', 'seeding', 812, 6, 1),
      new DemoTorrent(this.#random, 'archlinux-2024.09.01-x86_64.iso', 'checking', 4_500, 0, 0),
    ];
    this.#say('info', 'listening on 0.0.0.0:6881 and [::]:6881');
    this.#say('info', 'resumed debian-12.7.0-amd64-netinst.iso at 38.1 %');
    this.#say('info', 'tracker bttracker.debian.org: 50 peers, next announce in 30 minutes');
    this.#say(
      'warn',
      'tracker udp://tracker.example.org:1337 did not answer within 15 s, trying again in 60 s',
    );
    this.#say('error', 'peer 203.0.113.66:51413 sent a corrupt piece and was banned');
  }

  /** Lets `ms` pass. */
  step(ms: number): void {
    this.#uptimeMs += ms;
    for (const torrent of this.#torrents) torrent.step(ms);
    if (this.#random() < 0.08) this.#say('info', `piece ${Math.floor(this.#random() * 2_576)} verified`);
  }

  snapshot(): EngineSnapshot {
    const torrents = this.#torrents.map((torrent) => torrent.snapshot());
    const sum = (pick: (torrent: TorrentSnapshot) => number) =>
      torrents.reduce((total, torrent) => total + pick(torrent), 0);
    return {
      uptimeMs: this.#uptimeMs,
      downloadBytesPerSecond: sum((torrent) => torrent.downloadBytesPerSecond),
      uploadBytesPerSecond: sum((torrent) => torrent.uploadBytesPerSecond),
      limits: { downloadBytesPerSecond: 0, uploadBytesPerSecond: 0 },
      listen: { host: '0.0.0.0', port: 6881 },
      peerCount: sum((torrent) => torrent.connectedPeers),
      binding: null,
      halfOpenCount: 3,
      arena: { usedBytes: 12 * 1_048_576, totalBytes: 32 * 1_048_576 },
      portMapping: {
        state: 'mapped',
        protocol: 'upnp',
        gateway: '192.168.1.1',
        localHost: '192.168.1.7',
        externalHost: '198.18.0.7',
        mappings: [{ transport: 'tcp', internalPort: 6881, externalPort: 6881, leaseSeconds: 1_800 }],
        failure: null,
        message: '',
      },
      dht: null,
      reachability: {
        state: 'mapped',
        how: 'upnp',
        externalHost: '198.18.0.7',
        confirmed: true,
        reason: 'somebody from the Internet has connected to us',
        advice: null,
      },
      torrents,
      log: [...this.#log],
    };
  }

  #say(level: LogLine['level'], text: string): void {
    this.#log.push({ atMs: this.#uptimeMs, level, text });
    if (this.#log.length > 200) this.#log.shift();
  }
}

class DemoTorrent {
  readonly #random: () => number;
  readonly #name: string;
  readonly #states: Uint8Array;
  readonly #availability: Uint8Array;
  #peers: PeerSnapshot[];
  #phase: TorrentSnapshot['phase'];
  #elapsedMs = 0;
  #uploaded = 0;
  #progress = 0;

  constructor(
    random: () => number,
    name: string,
    phase: TorrentSnapshot['phase'],
    pieces: number,
    peers: number,
    have: number,
  ) {
    this.#random = random;
    this.#name = name;
    this.#phase = phase;
    this.#states = new Uint8Array(pieces);
    this.#availability = new Uint8Array(pieces);
    this.#peers = Array.from({ length: peers }, (_, index) => this.#peer(index));
    for (let piece = 0; piece < pieces; piece++) {
      // Runs of pieces arrive together, as they do where partial pieces come first.
      const here = (Math.sin(piece / 37) + Math.sin(piece / 11) + 2) / 4;
      const share = have >= 1 ? 1 : have * 0.6 + here * have * 0.8;
      if (random() < share) this.#states[piece] = PIECE_STATE.have;
      const edge = piece > pieces * 0.96 && peers < 10 && have < 1;
      this.#availability[piece] = edge ? 0 : Math.round(peers * (0.2 + 0.25 * here + 0.1 * random()));
    }
  }

  step(ms: number): void {
    this.#elapsedMs += ms;
    const wave = 0.75 + 0.2 * Math.sin(this.#elapsedMs / 7_000) + 0.1 * Math.sin(this.#elapsedMs / 1_300);
    this.#peers = this.#peers.map((peer, index) => this.#moved(peer, index, wave, ms));
    if (this.#phase === 'checking') this.#progress = Math.min(1, this.#progress + ms / 40_000);
    if (this.#phase === 'downloading') this.#receive(ms);
    this.#uploaded += (this.#rate('uploadBytesPerSecond') * ms) / 1000;
  }

  snapshot(): TorrentSnapshot {
    const pieces = this.#states.length;
    const havePieces = this.#count(PIECE_STATE.have);
    const totalBytes = pieces * PIECE_LENGTH;
    const haveBytes = havePieces * PIECE_LENGTH;
    const down = this.#rate('downloadBytesPerSecond');
    return {
      infoHash: [...this.#name]
        .reduce((hash, char) => hash + char.charCodeAt(0).toString(16), '')
        .slice(0, 40),
      name: this.#name,
      phase: this.#phase,
      error: null,
      totalBytes,
      wantedBytes: totalBytes,
      haveBytes,
      checkedShare: this.#progress,
      pieceLength: PIECE_LENGTH,
      pieceCount: pieces,
      havePieces,
      pieceStates: this.#states.slice(),
      pieceAvailability: this.#availability.slice(),
      downloadedBytes: haveBytes,
      uploadedBytes: Math.floor(this.#uploaded + haveBytes * 0.31),
      wastedBytes: 81_920,
      corruptPieces: this.#phase === 'downloading' ? 1 : 0,
      downloadBytesPerSecond: down,
      uploadBytesPerSecond: this.#rate('uploadBytesPerSecond'),
      etaSeconds: down > 0 ? (totalBytes - haveBytes) / down : null,
      connectedPeers: this.#peers.length,
      connectedSeeds: this.#peers.filter((peer) => peer.progress >= 1).length,
      candidatePeers: this.#peers.length * 4,
      bannedPeers: this.#phase === 'downloading' ? 1 : 0,
      peers: this.#peers,
      trackers: trackers(),
      files: this.#files(totalBytes, haveBytes),
    };
  }

  #receive(ms: number): void {
    const states = this.#states;
    for (let piece = 0; piece < states.length; piece++) {
      if (states[piece] === PIECE_STATE.verifying) states[piece] = PIECE_STATE.have;
      else if (states[piece] === PIECE_STATE.requested && this.#random() < 0.3)
        states[piece] = PIECE_STATE.verifying;
    }
    const start = (this.#rate('downloadBytesPerSecond') * ms) / 1000 / PIECE_LENGTH;
    for (let begun = 0; begun < start; begun++) {
      const piece = Math.floor(this.#random() * states.length);
      if (states[piece] === PIECE_STATE.missing && this.#availability[piece] !== 0)
        states[piece] = PIECE_STATE.requested;
    }
  }

  #peer(index: number): PeerSnapshot {
    const random = this.#random;
    const downloading = this.#phase === 'downloading';
    const seed = random() < 0.3 && downloading;
    const flowing = random() < 0.6;
    return {
      host:
        random() < 0.15
          ? `2001:db8:${hex(random)}:${hex(random)}::${hex(random)}`
          : `${[203, 198, 192, 100][index % 4]}.${byte(random)}.${byte(random)}.${byte(random)}`,
      port: 1_024 + Math.floor(random() * 60_000),
      client: CLIENTS[Math.floor(random() * CLIENTS.length)] ?? '',
      source: SOURCES[Math.floor(random() * SOURCES.length)] ?? 'tracker',
      incoming: random() < 0.25,
      encrypted: random() < 0.5,
      downloadBytesPerSecond: downloading && flowing ? Math.floor(random() ** 3 * 9_000_000) : 0,
      uploadBytesPerSecond: !seed && random() < 0.4 ? Math.floor(random() ** 2 * 900_000) : 0,
      downloadedBytes: Math.floor(random() * 50_000_000),
      uploadedBytes: Math.floor(random() * 9_000_000),
      progress: seed ? 1 : random(),
      amChoking: random() < 0.6,
      amInterested: downloading,
      peerChoking: !flowing,
      peerInterested: !seed,
      optimistic: index === 3,
      outstandingRequests: downloading && flowing ? 4 + Math.floor(random() * 120) : 0,
      requestLimit: 128,
      queuedUploads: seed ? 0 : Math.floor(random() * 12),
    };
  }

  #moved(peer: PeerSnapshot, index: number, wave: number, ms: number): PeerSnapshot {
    const jitter = wave * (0.9 + 0.2 * this.#random());
    const base = 400_000 + 350_000 * ((index * 7) % 11);
    const down = peer.downloadBytesPerSecond > 0 ? Math.floor(base * jitter) : 0;
    return {
      ...peer,
      downloadBytesPerSecond: down,
      uploadBytesPerSecond: peer.uploadBytesPerSecond > 0 ? Math.floor((base / 6) * (1.6 - jitter)) : 0,
      downloadedBytes: peer.downloadedBytes + Math.floor((down * ms) / 1000),
    };
  }

  #rate(kind: 'downloadBytesPerSecond' | 'uploadBytesPerSecond'): number {
    return this.#peers.reduce((sum, peer) => sum + peer[kind], 0);
  }

  #count(state: number): number {
    return this.#states.reduce((sum, value) => sum + (value === state ? 1 : 0), 0);
  }

  #files(totalBytes: number, haveBytes: number): FileSnapshot[] {
    const names = [
      this.#name,
      'README.txt',
      'subtitles/english.srt',
      'subtitles/français.srt',
      'cover.jpg',
      'SHA256SUMS',
      'extras/trailer.mkv',
    ];
    const share = haveBytes / totalBytes;
    return names.map((path, index) => {
      const lengthBytes = Math.floor(totalBytes / 3 ** index);
      const done = Math.min(1, share * (0.8 + index * 0.12));
      return { index, path, lengthBytes, haveBytes: Math.floor(lengthBytes * done), wanted: index !== 6 };
    });
  }
}

function trackers(): TrackerSnapshot[] {
  return [
    {
      url: 'http://bttracker.debian.org:6969/announce',
      tier: 0,
      state: 'working',
      message: '',
      seeders: 412,
      leechers: 37,
      peersReceived: 50,
      nextAnnounceInSeconds: 1_742,
    },
    {
      url: 'udp://tracker.example.org:1337/announce',
      tier: 1,
      state: 'failed',
      message: 'no answer within 15 s',
      seeders: null,
      leechers: null,
      peersReceived: 0,
      nextAnnounceInSeconds: 48,
    },
    {
      url: 'https://tracker.example.net/announce',
      tier: 1,
      state: 'announcing',
      message: '',
      seeders: 88,
      leechers: 5,
      peersReceived: 31,
      nextAnnounceInSeconds: null,
    },
  ];
}

const byte = (random: () => number): number => Math.floor(random() * 254) + 1;
const hex = (random: () => number): string => Math.floor(random() * 65_535).toString(16);

/** A small seeded generator: uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
