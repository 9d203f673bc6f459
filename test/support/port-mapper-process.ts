/** A program for a namespace: echoes on TCP and UDP behind a PortMapper, and prints each snapshot as a line of JSON. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { PortMapper } from '../../engine/reach/mapping/port-mapper.js';
import { secretBytes, systemClock, systemRng } from '../../engine/system.js';

const [port = '0'] = process.argv.slice(2);
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
}).listen(Number(port), '0.0.0.0');
await once(server, 'listening');
const { port: tcp } = server.address() as AddressInfo;
const udp = createSocket('udp4').bind(tcp, '0.0.0.0');
udp.on('message', (message, { address, port: from }) => udp.send(message, from, address));
await once(udp, 'listening');

const mapper = new PortMapper({ clock: systemClock, rng: systemRng, secretBytes });
mapper.onChange = () => console.log(JSON.stringify({ ...mapper.snapshot(), atMs: performance.now() }));
mapper.start({ tcp, udp: tcp });

const stop = async (): Promise<void> => {
  const startedAt = performance.now();
  await mapper.close();
  console.log(JSON.stringify({ state: 'closed', ms: performance.now() - startedAt }));
  server.close();
  udp.close();
};
process.once('SIGTERM', () => void stop());
process.once('SIGINT', () => void stop());
