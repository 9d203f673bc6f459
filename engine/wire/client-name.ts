/**
 * Client name: which program a peer id was made by (BEP 20). For display only: a peer id claims what it likes,
 * and the `v` of an extended handshake, where there is one, says more.
 */

/** `-XX1234-`: two letters and four version digits. */
const AZUREUS: Readonly<Record<string, string>> = {
  '7T': 'aTorrent',
  AG: 'Ares',
  AZ: 'Vuze',
  BC: 'BitComet',
  BI: 'BiglyBT',
  BT: 'BitTorrent',
  DE: 'Deluge',
  FD: 'Free Download Manager',
  FL: 'Folx',
  KT: 'KTorrent',
  LT: 'libtorrent',
  PI: 'PicoTorrent',
  QD: 'QQDownload',
  SD: 'Xunlei',
  SW: 'swarm',
  TR: 'Transmission',
  TX: 'Tixati',
  UM: 'µTorrent Mac',
  UT: 'µTorrent',
  WW: 'WebTorrent',
  XL: 'Xunlei',
  bi: 'BiglyBT',
  lt: 'rTorrent',
  qB: 'qBittorrent',
  rQ: 'rqbit',
};

/** One letter and three version digits, as in `T03I-----`. */
const SHADOW: Readonly<Record<string, string>> = {
  A: 'ABC',
  O: 'Osprey',
  Q: 'BTQueue',
  R: 'Tribler',
  S: 'Shadow',
  T: 'BitTornado',
  U: 'UPnP NAT',
};

/** @param peerId 20 bytes @returns printable ASCII; empty when the id says nothing we know */
export function clientName(peerId: Uint8Array): string {
  const id = String.fromCharCode(...peerId.subarray(0, 20));

  const azureus = /^-([0-9A-Za-z]{2})([0-9A-Za-z]{4})-/.exec(id);
  if (azureus !== null) {
    const [, code = '', version = ''] = azureus;
    const name = Object.hasOwn(AZUREUS, code) ? AZUREUS[code] : code;
    return `${name} ${code === 'TR' ? transmissionVersion(version) : dotted(version)}`;
  }
  // `M7-2-0--` mainline, `A2-1-36-0-` aria2.
  const dashed = /^(M|Q|A2-)(\d{1,3})-(\d{1,3})-(\d{1,3})-/.exec(id);
  if (dashed !== null) {
    const [, code = '', ...version] = dashed;
    return `${DASHED[code] ?? code} ${version.join('.')}`;
  }
  const shadow = /^([AOQRSTU])([0-9A-Za-z]{3})[0-9A-Za-z.]{0,2}-{3}/.exec(id);
  if (shadow !== null) {
    const [, code = '', version = ''] = shadow;
    return `${SHADOW[code] ?? code} ${dotted(version)}`;
  }
  return '';
}

const DASHED: Readonly<Record<string, string>> = { M: 'BitTorrent', Q: 'Queen Bee', 'A2-': 'aria2' };

/** Digits run to 9, then letters; trailing zeros say nothing, but "2.0" does. */
function dotted(version: string): string {
  const parts = Array.from(version, (digit) => Number.parseInt(digit, 36));
  while (parts.length > 2 && parts.at(-1) === 0) parts.pop();
  return parts.join('.');
}

/** Since 4.0 `4050` is 4.0.5; before, `3000` was 3.00 and `294Z` a build of 2.94 after the release. */
function transmissionVersion(version: string): string {
  return version[0] !== undefined && version[0] >= '4'
    ? dotted(version)
    : `${version[0]}.${version.slice(1, 3)}`;
}
