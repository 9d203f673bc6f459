/** Figures as text: numbers as the page and its drawings show them. */

/** Groups of three from 1,000 on. */
export function grouped(value: number, digits = 0): string {
  const [whole = '', fraction] = value.toFixed(digits).split('.');
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}

/** A tick: as many digits as it has. */
export function tickText(value: number): string {
  const [, fraction = ''] = `${value}`.split('.');
  return grouped(value, fraction.length);
}

export const percentText = (share: number, digits = 1): string => `${grouped(100 * share, digits)} %`;
export const percentTick = (share: number): string => `${tickText(Number((100 * share).toPrecision(6)))} %`;
