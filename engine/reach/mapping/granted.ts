/** Granted: what a router's answer is worth, whatever it says of success. */
import { addressKind } from '../../policy/ip-address.js';
import { mappingError } from './failure.js';
import type { GrantedMapping, MappingWish } from './mapping-client.js';

/** @throws SwarmError ADDRESS_NOT_MAPPED when a mapping was wished for and `granted` has no port or no time */
export function assertGranted(wish: MappingWish, granted: GrantedMapping): GrantedMapping {
  if (wish.leaseSeconds === 0 || (granted.externalPort > 0 && granted.leaseSeconds > 0)) return granted;
  throw mappingError('bad-answer', 'the router says yes and forwards nothing');
}

/** A router's address on its other side; null for what can be none, as before it is connected to the Internet. */
export function outerHost(told: unknown): string | null {
  if (typeof told !== 'string') return null;
  return ['public', 'shared', 'private'].includes(addressKind(told)) ? told : null;
}
