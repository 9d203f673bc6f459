/** Ports for programs that cannot be told to choose one themselves. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what the system gives out by itself (Linux from 32,768, others from 49,152): between our look and the
 * program's start, nobody's connection or port 0 takes it.
 */
const FIRST = 10_000;
const COUNT = 20_000;

/** A port that nobody has, over TCP and UDP. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket('udp4');
  try {
    await once(tcp.listen(port), 'listening');
    await once(udp.bind(port), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all([closed(tcp), closed(udp)]);
  }
}

async function closed(socket: { close(done: () => void): unknown }): Promise<void> {
  await new Promise<void>((resolve) => socket.close(() => resolve()));
}
