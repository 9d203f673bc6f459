/** Usage: what the benches are told, checked before anything is started; a mistake is one line and exit code 2. */

export function usageError(message: string): never {
  console.error(`${message}; --help lists the options`);
  process.exit(2);
}

/** The one of `all` that is named. */
export function named<T extends { readonly name: string }>(
  option: string,
  name: string,
  all: readonly T[],
): T {
  const found = all.find((one) => one.name === name);
  return found ?? usageError(`${option}: expected ${all.map((one) => one.name).join(', ')}, got "${name}"`);
}

export function numberWithin(option: string, text: string, least: number, most = Infinity): number {
  const value = Number(text);
  if (value >= least && value <= most) return value;
  const range = most === Infinity ? `${least} or more` : `${least} to ${most}`;
  return usageError(`${option}: expected ${range}, got "${text}"`);
}
