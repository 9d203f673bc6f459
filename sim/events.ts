/** Kinds of events in the queue. */
export const EVENT = {
  /** A timer of the virtual clock. */
  timer: 0,
  /** A link's first block is through. */
  link: 1,
  /** A message arrives: at end a, of kind b, piece c, begin d, bytes e. */
  message: 2,
  /** The kernel of end a has taken frames. */
  flushed: 3,
} as const;
