/** Stats: what the tracker has seen since it started. Each transport counts into its own. */

export interface TransportStats {
  announces: number;
  scrapes: number;
  /** Answered with a reason: a bad field, an unknown path, too many hashes. */
  refused: number;
  /** Not answered at all: junk, unproven addresses, over a rate or a limit. */
  dropped: number;
}

export const emptyStats = (): TransportStats => ({ announces: 0, scrapes: 0, refused: 0, dropped: 0 });
