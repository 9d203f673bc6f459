/** A program for a namespace: `HOST PORT` sends a word by TCP and by UDP and prints, as JSON, what comes back. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [host = '', port = ''] = process.argv.slice(2);
const TIMEOUT_MS = 3_000;

const tcp = new Promise<string>((resolve) => {
  const socket = connect(Number(port), host, () => socket.end('by TCP'));
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.on('close', () => resolve(text));
});

const udp = new Promise<string>((resolve) => {
  const socket = createSocket('udp4');
  const end = (text: string) => {
    clearTimeout(timer);
    socket.close();
    resolve(text);
  };
  const timer = setTimeout(() => end(''), TIMEOUT_MS);
  socket.once('message', (message) => end(String(message)));
  socket.once('error', () => end(''));
  socket.send('by UDP', Number(port), host);
});

console.log(JSON.stringify({ tcp: await tcp, udp: await udp }));
