/**
 * Guarded wire: bittorrent-protocol with its streams, timers and bencode decoder out of the way. It is fed
 * whole frames that frame-reader.ts has checked, parses them during the call, and what it sends goes, in
 * order and during the call, to one function.
 */
import Wire from 'bittorrent-protocol';
import { hostBytes } from '../policy/ip-address.js';
import type { ExtendedHandshake, HandshakeIdentity } from '../ports.js';
import { decodeExtendedHandshake } from './extended-handshake.js';

/** What the wire tells beyond the package's own events. Set before the first frame. */
export interface GuardedWireSink {
  onBitfieldBytes(bits: Uint8Array): void;
  onExtendedHandshake(handshake: ExtendedHandshake): void;
  onExtended(name: string, payload: Uint8Array): void;
  onViolation(text: string): void;
}

/** BEP 10 lets a peer repeat its handshake; nobody needs to more often than this. */
const MAX_EXTENDED_HANDSHAKES = 32;

export class GuardedWire extends Wire {
  sink: GuardedWireSink | undefined;
  readonly #send: (bytes: Uint8Array) => void;
  #extendedHandshakes = 0;

  /** @param send takes everything the package sends; the bytes are only valid during the call */
  constructor(
    incoming: boolean,
    identity: HandshakeIdentity,
    remoteIp: string,
    send: (bytes: Uint8Array) => void,
  ) {
    super(incoming ? 'tcpIncoming' : 'tcpOutgoing', 0);
    this.#send = send;
    const { extendedHandshake: local } = identity;
    const yourIp = hostBytes(remoteIp);
    local.extensions.forEach((name, index) => {
      this.extendedMapping[index + 1] = name;
    });
    this.extendedHandshake = {
      v: local.client,
      reqq: local.requestQueue,
      ...(local.listenPort > 0 ? { p: local.listenPort } : {}),
      ...(local.metadataSize === undefined ? {} : { metadata_size: local.metadataSize }),
      ...(local.uploadOnly ? { upload_only: 1 } : {}),
      ...(yourIp === undefined ? {} : { yourip: yourIp }),
    };
  }

  /** One whole handshake or one whole frame, length prefix included. */
  receive(frame: Uint8Array): void {
    this._write(frame, ignore);
  }

  /** Says all of our extended handshake again: some peers take what is missing for withdrawn. */
  sayUploadOnly(on: boolean): void {
    this.extendedHandshake.upload_only = on ? 1 : 0;
    this._sendExtendedHandshake();
  }

  /** The package ends and destroys itself when the peer breaks BEP 3 or BEP 6; that is all it does by itself. */
  override end(): void {
    this.sink?.onViolation('broke the protocol');
  }

  override destroy(): void {
    this.sink?.onViolation('sent a message of the fast extension, which was not agreed');
  }

  override _push(bytes: Uint8Array): void {
    this.#send(bytes);
  }

  /** The package builds a string for each message here, whether or not anybody reads it. */
  override _debug(): void {}

  /** The peer's pieces belong to the owner. A second set in here would hide a `have` after an lt_donthave. */
  override _onHave(piece: number): void {
    this.emit('have', piece);
  }

  override _onBitField(bits: Uint8Array): void {
    this.sink?.onBitfieldBytes(bits);
  }

  /** The package would decode with a decoder that hangs on `d-3:`, and store names in an object with a prototype. */
  override _onExtended(id: number, payload: Uint8Array): void {
    if (id !== 0) {
      const name = this.extendedMapping[id];
      if (name !== undefined) this.sink?.onExtended(name, payload);
      return;
    }
    if (++this.#extendedHandshakes > MAX_EXTENDED_HANDSHAKES) {
      this.sink?.onViolation(`sent more than ${MAX_EXTENDED_HANDSHAKES} extended handshakes`);
      return;
    }
    const decoded = decodeExtendedHandshake(payload);
    if (typeof decoded === 'string') {
      this.sink?.onViolation(`sent an extended handshake that is not usable: ${decoded}`);
      return;
    }
    for (const name of Object.values(this.extendedMapping)) {
      const peerId = decoded.ids.get(name);
      if (peerId !== undefined) this.peerExtendedMapping[name] = peerId;
    }
    this.sink?.onExtendedHandshake(decoded.handshake);
  }
}

function ignore(): void {}
