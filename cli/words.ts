/** Words: counts as people read them. */

/** `1,832`. */
/** By hand: what Node knows of languages takes 20 ms to load. */
export const count = (number: number): string => String(number).replace(/\B(?=(\d{3})+$)/g, ',');

/** `1 piece`, `1,832 pieces`. */
export const plural = (number: number, word: string): string =>
  `${count(number)} ${word}${number === 1 ? '' : 's'}`;
