/** Version: how this program names itself to peers, trackers and users. */

/** Kept equal to package.json by a test. */
export const VERSION = '0.1.0';
/** `v` of the extended handshake (BEP 10). */
export const CLIENT_NAME = `swarm ${VERSION}`;
/** To HTTP trackers. */
export const USER_AGENT = `swarm/${VERSION}`;
