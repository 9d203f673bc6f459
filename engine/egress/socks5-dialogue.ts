/**
 * SOCKS5 dialogue: what a client says until the proxy has connected it (RFC 1928), with user name and password where
 * there are some (RFC 1929). Bytes in, bytes out.
 */
import { SwarmError } from '../errors.js';
import { ipBytes } from '../policy/ip-address.js';

export interface Credentials {
  /** Up to 255 bytes each; of none as others send it, although RFC 1929 names one as the least. */
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
const NAME_US = 'Give them as --proxy socks5://USER:PASSWORD@HOST:PORT.';

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
  readonly #login: Buffer | undefined;
  #state: 'method' | 'password' | 'connect' | 'done' = 'method';
  #taken: Buffer = Buffer.alloc(0);

  /**
   * @param host literal address, or a name, which is the proxy's to look up
   * @throws SwarmError ADDRESS_UNAVAILABLE when the name is too long, USAGE_INVALID_OPTION when the credentials are
   */
  constructor(host: string, port: number, credentials?: Credentials) {
    this.#request = formatConnect(host, port);
    this.#login = credentials === undefined ? undefined : formatLogin(credentials);
  }

  /** The proxy takes us: what is to be connected is asked next. */
  get isAdmitted(): boolean {
    return this.#state === 'connect';
  }

  /** What is said first. */
  get greeting(): Uint8Array {
    const methods = this.#login === undefined ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, BY_PASSWORD];
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
    if (version !== VERSION)
      throw refusal('it does not speak SOCKS5', 'See that --proxy names its SOCKS5 port.');
    this.#pass(2);
    if (method === NO_AUTHENTICATION) return this.#connect();
    const login = this.#login;
    if (login === undefined) throw refusal('it wants a user name and password', NAME_US);
    if (method !== BY_PASSWORD)
      throw refusal('it takes no user name and password', 'Leave them out of --proxy.');
    this.#state = 'password';
    return login;
  }

  #onPassword([version, status]: Buffer): Uint8Array {
    if (version !== PASSWORD_VERSION || status !== 0)
      throw refusal('it does not accept the user name and password', NAME_US);
    this.#pass(2);
    return this.#connect();
  }

  #connect(): Uint8Array {
    this.#state = 'connect';
    return this.#request;
  }

  #onConnected(answer: Buffer): { rest?: Uint8Array } {
    const [version, code, , kind] = answer;
    if (version !== undefined && version !== VERSION) throw refusal('its answer is not SOCKS5');
    if (code !== undefined && code !== 0) throw refusal(FAULTS[code] ?? `fault ${code}`);
    const end = kind === undefined ? undefined : endOfAnswer(kind, answer[4]);
    if (end === undefined || answer.length < end) return {};
    this.#state = 'done';
    return { rest: answer.subarray(end) };
  }

  /** An answer of so many bytes is over: nobody answers what was not asked yet. */
  #pass(bytes: number): void {
    if (this.#taken.length > bytes) throw refusal('it speaks out of turn');
    this.#taken = Buffer.alloc(0);
  }
}

/** Of the whole answer; undefined while the length of the name in it is to come. */
function endOfAnswer(kind: number, nameBytes: number | undefined): number | undefined {
  if (kind === IPV4) return 10;
  if (kind === IPV6) return 22;
  if (kind !== NAME) throw refusal('its answer is not SOCKS5');
  return nameBytes === undefined ? undefined : 7 + nameBytes;
}

function formatLogin({ username, password }: Credentials): Buffer {
  const fields = [username, password].map((field) => Buffer.from(field));
  if (fields.some(({ length }) => length > MAX_FIELD_BYTES))
    throw new SwarmError('USAGE_INVALID_OPTION', 'the user name or password for the proxy is too long', {
      option: 'proxy',
    });
  const parts = fields.flatMap((field) => [Buffer.from([field.length]), field]);
  return Buffer.concat([Buffer.from([PASSWORD_VERSION]), ...parts]);
}

function formatConnect(host: string, port: number): Buffer {
  const end = Buffer.from([port >> 8, port & 255]);
  return Buffer.concat([Buffer.from([VERSION, CONNECT, 0]), formatHost(host), end]);
}

function formatHost(host: string): Buffer {
  const address = ipBytes(host);
  if (address !== undefined) return Buffer.from([address.length === 4 ? IPV4 : IPV6, ...address]);
  const name = Buffer.from(host);
  if (name.length === 0 || name.length > MAX_FIELD_BYTES || host.includes('%'))
    throw new SwarmError('ADDRESS_UNAVAILABLE', `no address for a proxy: ${host}`, { host });
  return Buffer.concat([Buffer.from([NAME, name.length]), name]);
}

const refusal = (why: string, hint?: string): SwarmError =>
  new SwarmError(
    'ADDRESS_UNAVAILABLE',
    `the proxy did not connect us: ${why}`,
    {},
    hint === undefined ? {} : { hint },
  );
