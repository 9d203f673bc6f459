/** UPnP documents: which service of a router's description forwards ports, and SOAP requests and answers. */
import { mappingError } from './failure.js';
import { escapeXml, visitXml } from './xml-fields.js';

/** A service that forwards ports, and where it is asked. */
export interface ForwardingService {
  readonly type: string;
  readonly controlUrl: URL;
}

/** The best first: the second version has all of the first. */
const SERVICE_TYPES = ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'].map(
  (name) => `urn:schemas-upnp-org:service:${name}`,
);
const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/';
const ENCODING = 'http://schemas.xmlsoap.org/soap/encoding/';
/** An answer has at most 8 fields. */
const MAX_FIELDS = 32;

/**
 * @param location where the description came from; the service must be at that host and port
 * @throws SwarmError ADDRESS_NOT_MAPPED
 */
export function forwardingService(description: string, location: URL): ForwardingService {
  const services: { serviceType?: string; controlURL?: string }[] = [];
  let base: string | undefined;
  const whole = visitXml(description, {
    onOpen: (name) => {
      if (name === 'service') services.push({});
    },
    onText: (name, text) => {
      const service = services.at(-1);
      if (name === 'URLBase') base ??= text;
      else if (service !== undefined && (name === 'serviceType' || name === 'controlURL'))
        service[name] ??= text;
    },
  });
  if (!whole) throw mappingError('bad-answer', 'the router sent a description that is not XML');
  for (const type of SERVICE_TYPES) {
    const found = services.find(({ serviceType, controlURL }) => serviceType === type && controlURL);
    if (found?.controlURL !== undefined)
      return { type, controlUrl: controlUrlOf(found.controlURL, base, location) };
  }
  throw mappingError('bad-answer', 'the router describes no service that forwards ports');
}

export function soapRequest(
  serviceType: string,
  action: string,
  args: readonly (readonly [string, unknown])[],
) {
  const fields = args.map(([name, value]) => `<${name}>${escapeXml(String(value ?? ''))}</${name}>`).join('');
  return (
    `<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="${ENVELOPE}" s:encodingStyle="${ENCODING}"><s:Body>` +
    `<u:${action} xmlns:u="${serviceType}">${fields}</u:${action}></s:Body></s:Envelope>`
  );
}

/** @throws SwarmError ADDRESS_NOT_MAPPED, with UPnP's own number of the fault as `result` */
export function soapAnswer(document: string, action: string, status: number): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let answered = false;
  const whole = visitXml(document, {
    onOpen: (name) => {
      if (name === `${action}Response`) answered = true;
    },
    onText: (name, text) => {
      if (fields.size < MAX_FIELDS && !fields.has(name)) fields.set(name, text);
    },
  });
  const result = Number(fields.get('errorCode') ?? Number.NaN);
  if (Number.isInteger(result))
    throw mappingError('refused', `the router refuses: ${upnpResult(result)}`, { result });
  if (!whole || !answered || status !== 200)
    throw mappingError('bad-answer', `the router's answer to ${action} makes no sense (HTTP ${status})`);
  return fields;
}

/** UPnP's numbers of faults that are handled or worth a sentence. */
export const UPNP = { notAuthorized: 606, noSuchEntry: 714, conflict: 718, onlyPermanent: 725 } as const;

const RESULTS: Readonly<Record<number, string>> = {
  401: 'it does not know this request',
  402: 'it could not read the request',
  501: 'it failed',
  606: 'it does not allow it',
  715: 'it does not forward from everywhere',
  718: 'the port is forwarded to another host',
  724: 'it forwards only to the same port',
  725: 'it forwards only for ever',
  728: 'it has no room for another mapping',
  729: 'another mechanism uses the port',
};

const upnpResult = (result: number): string => RESULTS[result] ?? `error ${result}`;

function controlUrlOf(path: string, base: string | undefined, location: URL): URL {
  const from = base !== undefined && URL.canParse(base) ? new URL(base) : location;
  if (!URL.canParse(path, from.href))
    throw mappingError('bad-answer', 'the router names a control URL that is none');
  const url = new URL(path, from.href);
  if (url.protocol !== 'http:' || url.hostname !== location.hostname)
    throw mappingError('bad-answer', 'the router sends us to another host to ask');
  return url;
}
