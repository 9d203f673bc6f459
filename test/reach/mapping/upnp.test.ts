/** UPnP against a router that answers on loopback, well and badly. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { type TestContext, test } from 'node:test';
import natUpnp from 'nat-upnp';
import { guardSearch } from '../../../engine/reach/mapping/upnp-search.js';
import { cleanUpOf } from '../../support/cleanup.js';
import { FakeRouter } from './fake-router.js';
import { deafPort, Watched } from './mapper.js';

/** As nat-upnp itself finds its packages. */
const requireAsPackage = createRequire(createRequire(import.meta.url).resolve('nat-upnp'));

async function setUp(t: TestContext, prepare: (router: FakeRouter) => void = () => {}) {
  const scope = cleanUpOf(t);
  const router = await FakeRouter.start(scope);
  prepare(router);
  const watched = new Watched(scope, {
    gatewayPort: await deafPort(),
    searchRouters: async () => [router.location],
  });
  watched.mapper.start({ tcp: 7000, udp: 7001 });
  return { router, watched, snapshot: await watched.settled() };
}

for (const serviceType of ['WANIPConnection:1', 'WANIPConnection:2', 'WANPPPConnection:1']) {
  test(`maps both transports by ${serviceType}, and takes them away at the end`, async (t) => {
    const { router, watched, snapshot } = await setUp(t, (fake) => {
      fake.serviceType = serviceType;
    });
    assert.equal(snapshot.state, 'mapped');
    assert.deepEqual(
      [snapshot.protocol, snapshot.gateway, snapshot.externalHost],
      ['upnp', '127.0.0.1', '1.2.3.4'],
    );
    assert.deepEqual(
      [...router.mapped],
      [
        ['7000/TCP', { host: '127.0.0.1', port: '7000', lease: '1800' }],
        ['7000/UDP', { host: '127.0.0.1', port: '7001', lease: '1800' }],
      ],
    );
    await watched.mapper.close();
    assert.deepEqual([...router.mapped], []);
  });
}

test('never calls the HTTP and XML packages that nat-upnp brings', async (t) => {
  const called: string[] = [];
  const { Parser } = requireAsPackage('xml2js');
  t.mock.method(Parser.prototype, 'parseString', () => called.push('xml2js'));
  const device = Object.getPrototypeOf(natUpnp.device.create('http://192.168.0.1/'));
  for (const method of ['_getXml', 'getService', 'run'])
    t.mock.method(device, method, () => called.push(method));
  const { watched, snapshot } = await setUp(t);
  assert.equal(snapshot.state, 'mapped');
  await watched.mapper.close();
  assert.deepEqual(called, []);
});

test('takes another external port where another host has ours (718)', async (t) => {
  const { router, snapshot } = await setUp(t, (fake) => {
    fake.fault = ({ action, fields }) =>
      action === 'AddPortMapping' && fields.NewExternalPort === '7000' ? 718 : undefined;
  });
  assert.equal(snapshot.state, 'mapped');
  assert.deepEqual([...router.mapped.keys()], ['40000/TCP', '40000/UDP']);
});

test('never overwrites the mapping of another host, though the router would let us', async (t) => {
  const { router, snapshot } = await setUp(t, (fake) => {
    fake.mapped.set('7000/TCP', { host: '192.168.1.9', port: '7000', lease: '0' });
  });
  assert.equal(snapshot.state, 'mapped');
  assert.equal(router.mapped.get('7000/TCP')?.host, '192.168.1.9');
  assert.equal(snapshot.mappings[0]?.externalPort, 40_000);
});

test("takes away nothing that became another host's, nor when it is stopped before it knows", async (t) => {
  const { router, watched } = await setUp(t);
  const other = { host: '192.168.1.9', port: '7000', lease: '0' };
  router.mapped.set('7000/TCP', other);
  await watched.mapper.close();
  assert.deepEqual([...router.mapped], [['7000/TCP', other]]);

  const scope = cleanUpOf(t);
  const early = new Watched(scope, {
    gatewayPort: await deafPort(),
    searchRouters: async () => [router.location],
  });
  router.fault = ({ action }) => {
    if (action === 'GetExternalIPAddress') setImmediate(() => void early.mapper.close());
    return undefined;
  };
  early.mapper.start({ tcp: 7000, udp: 7001 });
  await early.mapper.idle();
  await early.mapper.close();
  assert.deepEqual([...router.mapped], [['7000/TCP', other]]);
});

test('gives up after six external ports', async (t) => {
  const { router, snapshot } = await setUp(t, (fake) => {
    fake.fault = ({ action }) => (action === 'AddPortMapping' ? 718 : undefined);
  });
  assert.deepEqual([snapshot.state, snapshot.failure], ['failed', 'refused']);
  assert.equal(router.calls.filter(({ action }) => action === 'AddPortMapping').length, 6);
});

test('maps for ever where the router knows nothing else (725), and takes that away too', async (t) => {
  const { router, watched, snapshot } = await setUp(t, (fake) => {
    fake.fault = ({ action, fields }) =>
      action === 'AddPortMapping' && fields.NewLeaseDuration !== '0' ? 725 : undefined;
  });
  assert.deepEqual(
    snapshot.mappings.map(({ leaseSeconds }) => leaseSeconds),
    [0, 0],
  );
  await watched.mapper.close();
  assert.equal(router.mapped.size, 0);
});

test('keeps TCP and says so where the router refuses UDP', async (t) => {
  const { snapshot } = await setUp(t, (fake) => {
    fake.fault = ({ action, fields }) =>
      action === 'AddPortMapping' && fields.NewProtocol === 'UDP' ? 501 : undefined;
  });
  assert.equal(snapshot.state, 'mapped');
  assert.deepEqual(
    snapshot.mappings.map(({ transport }) => transport),
    ['tcp'],
  );
  assert.match(snapshot.message, /no UDP: the router refuses/);
});

test('says that the router does not allow it (606)', async (t) => {
  const { snapshot } = await setUp(t, (fake) => {
    fake.fault = ({ action }) => (action === 'AddPortMapping' ? 606 : undefined);
  });
  assert.deepEqual([snapshot.state, snapshot.failure], ['failed', 'refused']);
  assert.match(snapshot.message, /does not allow it/);
});

const BILLION_LAUGHS = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from(
  { length: 9 },
  (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i || ''};`.repeat(10)}">`,
).join('')}]><root><device><friendlyName>&lol9;</friendlyName></device></root>`;

const pour = (response: ServerResponse): void => {
  const chunk = Buffer.alloc(64 * 1024, '<a>');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
};

const DESCRIPTIONS: Readonly<Record<string, readonly [(fake: FakeRouter) => void, RegExp]>> = {
  'nothing at all': [(fake) => answer(fake, ''), /describes no service/],
  'what is not XML': [(fake) => answer(fake, '<<<<not > xml <'), /not XML|describes no service/],
  'a billion laughs': [(fake) => answer(fake, BILLION_LAUGHS), /not XML/],
  'a description without end': [(fake) => (fake.onDescription = pour), /sends without end/],
  'a control URL at another host': [
    (fake) => (fake.controlUrl = 'http://169.254.169.254/latest/meta-data'),
    /sends us to another host/,
  ],
  'a control URL that is none': [(fake) => (fake.controlUrl = 'http://[:::]'), /control URL that is none/],
  'a base at another host': [
    (fake) =>
      answer(fake, fake.description.replace('<device>', '<URLBase>http://10.9.9.9/</URLBase><device>')),
    /sends us to another host/,
  ],
  'another service only': [(fake) => (fake.serviceType = 'WANIPConnection:7'), /describes no service/],
  'an error': [
    (fake) =>
      (fake.onDescription = (response) => {
        response.statusCode = 404;
        response.end('no');
      }),
    /HTTP 404/,
  ],
  'a redirect': [
    (fake) =>
      (fake.onDescription = (response) => {
        response.writeHead(302, { location: 'http://10.9.9.9/' }).end();
      }),
    /HTTP 302/,
  ],
  'the start of an answer and then the end': [
    (fake) =>
      (fake.onDescription = (response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('<root>', () => response.destroy());
      }),
    /breaks off its answer/,
  ],
  'no HTTP': [
    (fake) => (fake.onDescription = (response) => void response.socket?.end('SSH-2.0-x\r\n\r\n')),
    /./,
  ],
  'a change of protocol': [
    (fake) =>
      (fake.onDescription = (response) =>
        void response.socket?.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')),
    /does not answer in HTTP/,
  ],
};

function answer(fake: FakeRouter, text: string): void {
  fake.onDescription = (response) => void response.end(text);
}

for (const [what, [prepare, message]] of Object.entries(DESCRIPTIONS)) {
  test(`a router that describes itself by ${what} is told of, and no other host is asked`, async (t) => {
    const { snapshot } = await setUp(t, prepare);
    assert.equal(snapshot.state, 'failed');
    assert.match(snapshot.message, message);
  });
}

test('a router that takes the connection and says nothing costs three seconds', {
  timeout: 9_000,
}, async (t) => {
  const { snapshot } = await setUp(t, (fake) => {
    fake.onDescription = () => {};
  });
  assert.deepEqual([snapshot.state, snapshot.failure], ['failed', 'bad-answer']);
  assert.match(snapshot.message, /takes the connection and then hangs/);
});

test('a router that hangs at the goodbye holds nobody longer than allowed', { timeout: 9_000 }, async (t) => {
  const { router, watched } = await setUp(t);
  router.onControl = () => {};
  await watched.mapper.close(100);
});

for (const [what, body] of Object.entries({
  nothing: '',
  'another answer': '<s:Envelope><s:Body><u:OtherResponse/></s:Body></s:Envelope>',
  'half an answer': '<s:Envelope><s:Body><u:AddPortMappingResponse',
})) {
  test(`a router that answers ${what} to a wish has granted nothing`, async (t) => {
    const { snapshot } = await setUp(t, (fake) => {
      fake.onControl = (response) => void response.end(body);
    });
    assert.deepEqual([snapshot.state, snapshot.failure], ['failed', 'bad-answer']);
  });
}

for (const externalHost of [
  '',
  '0.0.0.0',
  'router.example',
  '999.1.1.1',
  '<b>1.2.3.4</b>',
  '&lt;script&gt;',
]) {
  test(`an external address "${externalHost}" is taken for none`, async (t) => {
    const { snapshot } = await setUp(t, (fake) => {
      fake.externalHost = externalHost;
    });
    assert.equal(snapshot.state, 'mapped');
    assert.ok(snapshot.externalHost === null || snapshot.externalHost === '1.2.3.4');
  });
}

test('searches with answers of its own network only, that name no other host', async (t) => {
  const client = natUpnp.createClient();
  const close = guardSearch(client, { gateway: '192.168.1.1', localHost: '192.168.1.2' });
  t.after(close);
  const heard: string[] = [];
  const emitter = client.ssdp as unknown as NodeJS.EventEmitter;
  emitter.on('_device', ({ location }: { location: string }) => heard.push(location));
  const from = (address: string, location: string, more = '') =>
    client.ssdp.parseResponse(
      `HTTP/1.1 200 OK\r\nST: urn:x\r\nLOCATION: ${location}\r\n${more}\r\n`,
      '192.168.1.2',
      { address },
    );
  from('192.168.1.1', 'http://192.168.1.1:5000/rootDesc.xml');
  from('192.168.1.7', 'http://192.168.1.7/');
  from('192.168.1.1', 'http://169.254.169.254/latest/');
  from('192.168.1.1', 'http://192.168.1.1@10.0.0.1/');
  from('192.168.1.1', 'https://192.168.1.1/');
  from('192.168.1.1', 'file:///etc/passwd');
  from('192.168.1.1', 'http://[::1/');
  from('8.8.8.8', 'http://8.8.8.8/');
  from('127.0.0.1', 'http://127.0.0.1:9/');
  from('192.168.1.1', 'http://192.168.1.1/', `X:${' '.repeat(60_000)}\r\n`);
  client.ssdp.parseResponse('HTTP/1.1 200 OK\r\nST: urn:x\r\n\r\n', '', { address: '192.168.1.1' });
  client.ssdp.parseResponse('', '', { address: '192.168.1.1' });
  assert.deepEqual(heard, ['http://192.168.1.1:5000/rootDesc.xml', 'http://192.168.1.7/']);
});

test('leaves no socket of the search open, whatever the machine has of addresses', async () => {
  const client = natUpnp.createClient();
  const { sockets } = client.ssdp;
  const closed = Promise.all(sockets.map((socket) => once(socket, 'close')));
  guardSearch(client, { gateway: null, localHost: '192.0.2.1' });
  await closed;
});

test('a search that ends at once closes what the package is about to open', async () => {
  const client = natUpnp.createClient();
  const closed = Promise.all(client.ssdp.sockets.map((socket) => once(socket, 'close')));
  guardSearch(client, { gateway: null, localHost: '192.0.2.1' })();
  await closed;
});
