/** `--encryption` of both commands, with each other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Engine } from '../../engine/index.js';
import { CommandLab } from '../support/command-lab.js';

describe('--encryption', { concurrency: 2, timeout: 60_000 }, () => {
  for (const [seeds, gets, code] of [
    ['require', 'require', 0],
    ['off', 'prefer', 0],
    ['off', 'require', 4],
  ] as const)
    test(`get ${gets} from seed ${seeds} ends with ${code}`, async (t) => {
      const lab = await CommandLab.create(t);
      const film = await lab.file('film', 90_000);
      const listen = ['--listen', '127.0.0.1:0', '--json'];
      const seed = lab.start(['seed', film.source, '--torrent', film.file, ...listen, '--encryption', seeds]);
      const { port } = await seed.event('seeding');
      const peer = ['--peer', `127.0.0.1:${port}`, '--timeout', '1s'];
      await lab.expect(code, ['get', film.file, ...peer, '--encryption', gets]);
      if (code === 0) await lab.assertGot(film);
    });

  test('is refused by the library by name, too', async () => {
    await assert.rejects(Engine.create({ encryption: 'on' as 'off' }), {
      code: 'USAGE_INVALID_OPTION',
      message: 'encryption must be one of off, prefer, require, got on',
    });
  });
});
