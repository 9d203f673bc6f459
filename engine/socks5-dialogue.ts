/**
 * SOCKS5 dialogue: what a client says until the proxy has connected it (RFC 1928), with user name and password where
 * there are some (RFC 1929). Bytes in, bytes out.
 */
import { isIP, isIPv4 } from 'node:net';
import { SwarmError } from './errors.js';

export interface Credentials {
  /** 1 to 255 bytes each. */
  readonly username: string;
  readonly password: string;
}

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const BY_PASSWORD = 2;
const PASSWORD_VERSION = 1;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const MAX_FIELD_BYTES = 255;
/** An answer with the longest name: more before the end is nothing that a proxy says. */
const MAX_ANSWER_BYTES = 262;

const FAULTS: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'its rules do not allow that',
  3: 'the network is unreachable',
  4: 'the host is unreachable',
  5: 'the connection was refused',
  6: 'it took too long',
  7: 'it does not know the command',
  8: 'it does not know the kind of address',
};

export class Socks5Dialogue {
  readonly #request: Buffer;
  readonly #credentials: Credentials | undefined;
  #state: 'method' | 'password' | 'connect' | 'done' = 'method';
  #taken: Buffer = Buffer.alloc(0);

  /**
   * @param host literal address, or a name, which is the proxy's to look up
   * @throws SwarmError ADDRESS_UNAVAILABLE when the name is too long
   */
  constructor(host: string, port: number, credentials?: Credentials) {
    this.#request = formatConnect(host, port);
    this.#credentials = credentials;
  }

  /** What is said first. */
  get greeting(): Uint8Array {
    const methods = this.#credentials === undefined ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, BY_PASSWORD];
    return Buffer.from([VERSION, methods.length, ...methods]);
  }

  /**
   * Takes what the proxy says.
   * @returns what to answer, if anything; once connected, what came after that, of the other end
   * @throws SwarmError ADDRESS_UNAVAILABLE when the proxy refuses, or is none
   */
  take(chunk: Uint8Array): { readonly send?: Uint8Array; readonly rest?: Uint8Array } {
    this.#taken = Buffer.concat([this.#taken, chunk]);
    const answer = this.#taken;
    switch (this.#state) {
      case 'method':
        return answer.length < 2 ? {} : { send: this.#onMethod(answer) };
      case 'password':
        return answer.length < 2 ? {} : { send: this.#onPassword(answer) };
      case 'connect':
        return this.#onConnected(answer);
      case 'done':
        throw new RangeError('the dialogue is over');
    }
  }

  #onMethod([version, method]: Buffer): Uint8Array {
    if (version !== VERSION) throw refusal('it does not speak SOCKS5');
    this.#next(2);
    if (method === NO_AUTHENTICATION) return this.#connect();
    const credentials = this.#credentials;
    if (method !== BY_PASSWORD || credentials === undefined)
      throw refusal(
        credentials === undefined
          ? 'it wants a user name and password'
          : 'it takes no user name and password',
      );
    this.#state = 'password';
    const [name, password] = [Buffer.from(credentials.username), Buffer.from(credentials.password)];
    return Buffer.concat(
      [[PASSWORD_VERSION, name.length], name, [password.length], password].map((part) => Buffer.from(part)),
    );
  }

  #onPassword([version, status]: Buffer): Uint8Array {
    if (version !== PASSWORD_VERSION || status !== 0)
      throw refusal('it does not accept the user name and password');
    this.#next(2);
    return this.#connect();
  }

  #connect(): Uint8Array {
    // Nobody answers what was not asked yet.
    if (this.#taken.length > 0) throw refusal('it speaks out of turn');
    this.#state = 'connect';
    return this.#request;
  }

  #onConnected(answer: Buffer): { rest?: Uint8Array } {
    const [version, code, , kind] = answer;
    if (version !== undefined && version !== VERSION) throw refusal('its answer is not SOCKS5');
    if (code !== undefined && code !== 0) throw refusal(FAULTS[code] ?? `fault ${code}`);
    const end = kind === undefined ? undefined : endOfAnswer(kind, answer[4]);
    if (end === undefined || answer.length < end) {
      if (answer.length > MAX_ANSWER_BYTES) throw refusal('its answer is not SOCKS5');
      return {};
    }
    this.#state = 'done';
    return { rest: answer.subarray(end) };
  }

  #next(bytes: number): void {
    this.#taken = this.#taken.subarray(bytes);
  }
}

/** Of the whole answer; undefined while the length of the name in it is to come. */
function endOfAnswer(kind: number, nameBytes: number | undefined): number | undefined {
  if (kind === IPV4) return 10;
  if (kind === IPV6) return 22;
  if (kind !== NAME) throw refusal('its answer is not SOCKS5');
  return nameBytes === undefined ? undefined : 7 + nameBytes;
}

function formatConnect(host: string, port: number): Buffer {
  const end = Buffer.from([port >> 8, port & 255]);
  return Buffer.concat([Buffer.from([VERSION, CONNECT, 0]), formatHost(host), end]);
}

function formatHost(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([IPV4, ...host.split('.').map(Number)]);
  if (isIP(host) === 6 && !host.includes('%')) return Buffer.from([IPV6, ...bytesOfIpv6(host)]);
  const name = Buffer.from(host);
  if (name.length === 0 || name.length > MAX_FIELD_BYTES || host.includes('%'))
    throw new SwarmError('ADDRESS_UNAVAILABLE', `no address for a proxy: ${host}`, { host });
  return Buffer.concat([Buffer.from([NAME, name.length]), name]);
}

/** The URL standard writes every address in full groups or `::`, without a dotted end. */
function bytesOfIpv6(host: string): number[] {
  const canonical = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]);
}

const refusal = (why: string): SwarmError =>
  new SwarmError('ADDRESS_UNAVAILABLE', `the proxy did not connect us: ${why}`);
