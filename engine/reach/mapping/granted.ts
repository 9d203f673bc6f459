/** Granted: an answer that grants nothing is none, whatever it says of success. */
import { mappingError } from './failure.js';
import type { GrantedMapping, MappingWish } from './mapping-client.js';

/** @throws SwarmError ADDRESS_NOT_MAPPED when a mapping was wished for and `granted` has no port or no time */
export function assertGranted(wish: MappingWish, granted: GrantedMapping): GrantedMapping {
  if (wish.leaseSeconds === 0 || (granted.externalPort > 0 && granted.leaseSeconds > 0)) return granted;
  throw mappingError('bad-answer', 'the router says yes and forwards nothing');
}
