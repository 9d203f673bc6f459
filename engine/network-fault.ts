/** Network faults in words: what the system's error codes mean to somebody who waits for a connection. */

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this machine does not permit it',
  EADDRINUSE: 'another program has the address',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAFNOSUPPORT: 'this machine has no such network',
  EAI_AGAIN: 'no name server answers',
  ECONNABORTED: 'the connection broke',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the other end closed the connection',
  EHOSTUNREACH: 'there is no way to that address',
  EMFILE: 'too many files are open',
  ENETDOWN: 'the network is down',
  ENETUNREACH: 'there is no way to that network',
  ENODATA: 'the name has no address',
  ENOTFOUND: 'there is no such name',
  EPERM: 'this machine does not permit it',
  EPIPE: 'the other end closed the connection',
  ETIMEDOUT: 'no answer',
};

/** An error of a socket or a lookup; one that is not known keeps its own message. */
export function networkFault(error: NodeJS.ErrnoException): string {
  return WORDS[error.code ?? ''] ?? error.message;
}
