/** Words: counts as people read them. */

/** `1,832`. */
export const count = (number: number): string => number.toLocaleString('en-US');

/** `1 piece`, `1,832 pieces`. */
export const plural = (number: number, word: string): string =>
  `${count(number)} ${word}${number === 1 ? '' : 's'}`;
