/** Where the checkout is, seen from a compiled test. */
import { fileURLToPath } from 'node:url';

/** Absolute path of the project's root: compiled tests live two folders below their build folder's parent. */
export const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
/** Absolute path of the build that this test is part of. */
export const buildRoot = fileURLToPath(new URL('../../', import.meta.url));
