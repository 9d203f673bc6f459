/**
 * Socket binding: which of our addresses sockets are bound to, for everybody who opens one. Without a binding the
 * system chooses.
 */

/** Where a socket is bound to. */
export interface Source {
  readonly host: string;
  /** Name of the interface that has the address. */
  readonly device: string;
  /** Sockets can be kept on the interface, and have to be. */
  readonly pinned: boolean;
}

export interface SocketBinding {
  /**
   * What to bind a socket of the family to; undefined: anything.
   * @throws SwarmError ADDRESS_UNAVAILABLE while there is none: then nothing may be sent
   */
  source(family: 4 | 6): Source | undefined;
  /** The same for a socket that talks to `host`, a literal address; also throws when the way there is another one. */
  sourceFor(host: string): Source | undefined;
  /** Calls `holder` whenever the address goes and comes. @returns ends that */
  hold(holder: BindingHolder): () => void;
  /** Through which TCP connections go; then there is no source for anything else. */
  readonly proxy?: {
    readonly host: string;
    readonly port: number;
    readonly credentials: { readonly username: string; readonly password: string } | undefined;
    /** To connect to the proxy from. */
    readonly from: SocketBinding;
  };
}

export interface BindingHolder {
  /** The address is gone, or leads elsewhere: at once, and without a packet where that can be, whatever is open ends. */
  onLost(): void;
  /** There is an address again, perhaps another. */
  onBack?(): void;
}

export const UNBOUND: SocketBinding = {
  source: () => undefined,
  sourceFor: () => undefined,
  hold: () => () => {},
};

/** What to bind a socket of the family to, if there is anything now. */
export function sourceOf(binding: SocketBinding, family: 4 | 6): Source | undefined {
  try {
    return binding.source(family);
  } catch {
    return undefined;
  }
}

/** Whether packets may go to `host`, a literal address, now. */
export function isReachable(binding: SocketBinding, host: string): boolean {
  try {
    binding.sourceFor(host);
    return true;
  } catch {
    return false;
  }
}
