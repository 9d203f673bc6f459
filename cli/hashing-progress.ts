/** Progress of hashing, as `create` and `verify` show it. */

import { formatBytes, formatRate } from '../tui/format.js';
import type { Output } from './output.js';

/** @returns told how far hashing is, as often as it likes */
export function hashingProgress(output: Output): (doneBytes: number, totalBytes: number) => void {
  const startedAt = performance.now();
  return (doneBytes, totalBytes) => {
    const now = performance.now();
    output.progress(
      now,
      () => {
        const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
        const rate = formatRate((1000 * doneBytes) / Math.max(1, now - startedAt));
        return `${percent}%  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}  ${rate}`;
      },
      () => ({ type: 'hashing', doneBytes, totalBytes }),
    );
  };
}
