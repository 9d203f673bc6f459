/** IP families: which of the two somebody speaks who listens at an address. */
import { isIP } from 'node:net';

/** @param host literal address; undefined: all of them */
export function familiesOf(host: string | undefined): readonly (4 | 6)[] {
  const family = isIP(host ?? '');
  if (family === 4) return [4];
  return family === 6 && host !== '::' ? [6] : [4, 6];
}
