/**
 * Text: the part of the public API that shows things before there is a torrent (widths, foreign text, the version).
 * Loading it loads nothing else.
 */
export { cellWidth, printable } from './untrusted-text.js';
export { VERSION } from './version.js';
