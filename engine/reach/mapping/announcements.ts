/**
 * Announcements: gateways tell everybody on the network that they have started anew (RFC 6886, 3.2.1; RFC 6887, 14.1).
 * What is heard is only a hint to ask the gateway, as anybody on the network can send it.
 */
import { createSocket } from 'node:dgram';
import { parseAddressAnswer } from './nat-pmp-packets.js';
import { MAX_PCP_BYTES, parseAnnounce } from './pcp-packets.js';

const GROUP = '224.0.0.1';
const PORT = 5350;

export type ListenToGateway = (localHost: string, onAnnounced: (from: string) => void) => () => void;

/** Hears nothing where the port is not to be had: the gateway is asked now and then anyway. @returns stops */
export const listenToGateway: ListenToGateway = (localHost, onAnnounced) => {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    socket.close();
  };
  socket.on('error', close);
  socket.on('message', (packet, { address }) => {
    if (closed || packet.length > MAX_PCP_BYTES) return;
    if (parseAnnounce(packet) !== undefined || parseAddressAnswer(packet) !== undefined) onAnnounced(address);
  });
  socket.bind(PORT, () => {
    if (closed) return;
    try {
      socket.addMembership(GROUP, localHost);
    } catch {
      close();
    }
  });
  socket.unref();
  return close;
};
