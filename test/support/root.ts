/** Where the checkout is, seen from a compiled test. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the project's root: compiled tests live two folders below their build folder's parent. */
export const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
/** Absolute path of the build that this test is part of. */
export const buildRoot = fileURLToPath(new URL('../../', import.meta.url));

/** The command as it was compiled, one module a file. */
export const plainCommandFile = join(buildRoot, 'cli/main.js');
/** The command as users run it: the bundle, where there is one of this build. */
export const commandFile = pickCommandFile(join(buildRoot, 'bundle/main.js'));

/** A build that was compiled again has a bundle of what was there before. */
function pickCommandFile(bundle: string): string {
  const madeAt = statSync(bundle, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return madeAt >= statSync(plainCommandFile).mtimeMs ? bundle : plainCommandFile;
}
