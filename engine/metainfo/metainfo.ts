/** Metainfo: a checked torrent, as the rest of the engine sees it. Made by parse.ts or create.ts, trusted after. */
import type { InfoHash } from '../units.js';

export interface Metainfo {
  readonly infoHash: InfoHash;
  /** The raw bytes of the `info` dictionary, whose SHA-1 is the info-hash (BEP 9 serves them). */
  readonly rawInfo: Uint8Array;
  /** `name`, decoded; untrusted text. */
  readonly name: string;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly totalBytes: number;
  /** 20 bytes a piece. */
  readonly pieceHashes: Uint8Array;
  /** In torrent order; their lengths add up to `totalBytes`. */
  readonly files: readonly MetainfoFile[];
  /** One file called `name`, rather than a folder called `name`. */
  readonly singleFile: boolean;
  /** BEP 27: peers only from the trackers. */
  readonly private: boolean;
  /** BEP 12 tiers, as written; `announce` alone is one tier. Untrusted text. */
  readonly trackers: readonly (readonly string[])[];
  /** BEP 19 `url-list`. Untrusted text. */
  readonly webSeeds: readonly string[];
  /** BEP 5 `nodes`. */
  readonly dhtNodes: readonly { readonly host: string; readonly port: number }[];
  readonly comment: string | null;
  readonly createdBy: string | null;
  /** Seconds since 1970. */
  readonly creationDate: number | null;
}

export interface MetainfoFile {
  /** Path as the torrent names it, without the torrent's `name`; a single file has [name]. Untrusted text. */
  readonly path: readonly string[];
  /** Safe relative path below the download folder, `/`-separated, `name` included. The only path that meets a file system. */
  readonly diskPath: string;
  readonly lengthBytes: number;
  /** BEP 47 "p": not stored. */
  readonly padding: boolean;
  /** BEP 47 "x". */
  readonly executable: boolean;
}
