/**
 * What a bound host finds behind its interface: a name server that has one address for every name, and a web server
 * that has one file. Prints `asked NAME` and `served`.
 *
 *   node vpn-process.js HOST FILE
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [host = '', file = ''] = process.argv.slice(2);
const HEADER_BYTES = 12;
const TYPE_A = 1;

const names = createSocket('udp4');
names.on('message', (question, { address, port }) => {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  console.log(`asked ${labels.join('.')}`);
  const isA = question.readUInt16BE(at + 1) === TYPE_A;
  const record = Buffer.from([
    0xc0,
    HEADER_BYTES,
    0,
    TYPE_A,
    0,
    1,
    0,
    0,
    0,
    60,
    0,
    4,
    ...host.split('.').map(Number),
  ]);
  const answer = Buffer.concat([question, ...(isA ? [record] : [])]);
  answer.writeUInt16BE(0x8180, 2);
  answer.writeUInt16BE(isA ? 1 : 0, 6);
  names.send(answer, port, address);
});
names.bind(53, host);
await once(names, 'listening');

const web = createServer((_request, response) => {
  console.log('served');
  response.end(readFileSync(file));
});
web.listen(8080, host);
await once(web, 'listening');
console.log('ready');
