/**
 * A program for a namespace: `ADDRESS LOCATION` answers UPnP searches at ADDRESS with LOCATION, and takes HTTP connections
 * on port 8080 without ever answering. Prints `ready`, and `asked` for each connection.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [address = '', location = ''] = process.argv.slice(2);
const GROUP = '239.255.255.250';

const http = createServer((socket) => {
  socket.on('error', () => {});
  console.log('asked');
});
http.listen(8080, address, () => {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (message, { address: host, port }) => {
    const target = /^ST: *(\S+)/im.exec(String(message))?.[1];
    if (target === undefined) return;
    const answer = `HTTP/1.1 200 OK\r\nST: ${target}\r\nUSN: uuid:1::${target}\r\nLOCATION: ${location}\r\n\r\n`;
    socket.send(answer, port, host);
  });
  socket.bind(1900, () => {
    socket.addMembership(GROUP, address);
    console.log('ready');
  });
});
