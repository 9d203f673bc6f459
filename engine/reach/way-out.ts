/**
 * Way out: by which interface packets leave that come from an address of ours. A socket's source address does not
 * choose its route: without a rule for it, a packet takes the default route, whosever address it bears.
 */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';

/** @returns whether packets from `source` to the Internet leave by `device` */
export type LeadsOut = (family: 4 | 6, source: string, device: string) => Promise<boolean>;

/** Public addresses, of both halves that VPNs replace the default route by; nothing is sent there. */
const ELSEWHERE = { 4: ['1.0.0.1', '192.0.2.1'], 6: ['2001:db8::1', '2600::1'] } as const;
const ASK_MS = 2_000;

export const systemLeadsOut: LeadsOut = async (family, source, device) => {
  const answers = await Promise.all(ELSEWHERE[family].map((host) => leadsTo(host, family, source, device)));
  return answers.every(Boolean);
};

async function leadsTo(host: string, family: 4 | 6, source: string, device: string): Promise<boolean> {
  const route = process.platform === 'linux' ? await askIp(host, source) : undefined;
  return route === undefined ? chooses(host, family, source) : deviceOf(route) === device;
}

/** iproute2 knows of rules by source; undefined where it is not installed, empty where no route leads. */
function askIp(host: string, source: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = ['-o', 'route', 'get', host, 'from', source];
    execFile('ip', asked, { timeout: ASK_MS, maxBuffer: 64 * 1024 }, (error, stdout) => {
      if (error?.code === 'ENOENT') resolve(undefined);
      else resolve(error === null ? stdout : '');
    });
  });
}

/** The device in an answer of `ip -o route get`. */
export const deviceOf = (route: string): string | undefined => / dev (\S+)/.exec(route)?.[1];

/** Whether the system, left to itself, would take `source` as the sender of what goes to `host`. */
function chooses(host: string, family: 4 | 6, source: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const settle = (answer: boolean): void => {
      socket.close();
      resolve(answer);
    };
    socket.once('error', () => settle(false));
    socket.once('connect', () => settle(socket.address().address === source));
    socket.connect(9, host);
  });
}
