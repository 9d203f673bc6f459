/** A UPnP router on loopback: an HTTP server with a description and a SOAP service that does as it is told. */
import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scope } from '../../support/clients.js';

export interface SoapCall {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

type Fault = number;
type Handler = (call: SoapCall) => Readonly<Record<string, string>> | Fault;

export class FakeRouter {
  readonly calls: SoapCall[] = [];
  /** Of everything that was asked, in the order of asking. */
  readonly paths: string[] = [];
  serviceType = 'WANIPConnection:1';
  controlUrl = '/control';
  /** By external port and transport, `7000/TCP`. */
  readonly mapped = new Map<string, { host: string; port: string; lease: string }>();
  externalHost = '1.2.3.4';
  /** Takes the place of an answer. */
  onDescription: ((response: ServerResponse) => void) | undefined;
  onControl: ((response: ServerResponse, call: SoapCall) => void) | undefined;
  /** Faults by action. */
  fault: (call: SoapCall) => Fault | undefined = () => undefined;
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
    server.on('request', async (request, response) => {
      this.paths.push(request.url ?? '');
      let body = '';
      request.on('error', () => {});
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      if (request.method === 'GET') this.#describe(response);
      else this.#control(body, response);
    });
  }

  static async start(scope: Scope): Promise<FakeRouter> {
    const server = http.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    scope.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return new FakeRouter(server);
  }

  get location(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/description.xml`);
  }

  get description(): string {
    const service = `<service><serviceType>urn:schemas-upnp-org:service:${this.serviceType}</serviceType><SCPDURL>/x</SCPDURL><controlURL>${this.controlUrl}</controlURL></service>`;
    return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceList><device><serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/other</controlURL></service>${service}</serviceList></device></deviceList></device></root>`;
  }

  #describe(response: ServerResponse): void {
    if (this.onDescription !== undefined) this.onDescription(response);
    else response.end(this.description);
  }

  #control(body: string, response: ServerResponse): void {
    const action = /<u:(\w+)/.exec(body)?.[1] ?? '';
    const fields = Object.fromEntries(
      [...body.matchAll(/<(New\w+)>([^<]*)</g)].map(([, name = '', text = '']) => [name, text]),
    );
    const call = { action, fields };
    this.calls.push(call);
    if (this.onControl !== undefined) {
      this.onControl(response, call);
      return;
    }
    const answer = this.fault(call) ?? this.#actions[action]?.(call) ?? 401;
    if (typeof answer === 'number') {
      response.statusCode = 500;
      response.end(
        soap(`<s:Fault><detail><UPnPError><errorCode>${answer}</errorCode></UPnPError></detail></s:Fault>`),
      );
    } else {
      const texts = Object.entries(answer).map(([name, text]) => `<${name}>${text}</${name}>`);
      response.end(soap(`<u:${action}Response xmlns:u="x">${texts.join('')}</u:${action}Response>`));
    }
  }

  readonly #actions: Readonly<Record<string, Handler>> = {
    GetExternalIPAddress: () => ({ NewExternalIPAddress: this.externalHost }),
    GetSpecificPortMappingEntry: ({ fields }) => {
      const entry = this.mapped.get(keyOf(fields));
      return entry === undefined ? 714 : { NewInternalClient: entry.host, NewInternalPort: entry.port };
    },
    AddPortMapping: ({ fields }) => {
      const { NewInternalClient = '', NewInternalPort = '', NewLeaseDuration = '' } = fields;
      this.mapped.set(keyOf(fields), {
        host: NewInternalClient,
        port: NewInternalPort,
        lease: NewLeaseDuration,
      });
      return {};
    },
    DeletePortMapping: ({ fields }) => (this.mapped.delete(keyOf(fields)) ? {} : 714),
  };
}

const keyOf = (fields: SoapCall['fields']): string => `${fields.NewExternalPort}/${fields.NewProtocol}`;

const soap = (body: string): string =>
  `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`;
