/** Hashing: making a torrent and checking files, ours and others', with everything in the page cache. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { aria2Command } from '../test/support/aria2.js';
import type { CleanUp } from '../test/support/cleanup.js';
import type { ClientName } from '../test/support/clients.js';
import { swarmCommandLine } from '../test/support/swarm-command.js';
import type { Course } from './course.js';
import { measure, type Usage } from './measure.js';

export interface HashingTask {
  readonly name: string;
  readonly needs: readonly ClientName[];
  run(scope: CleanUp, course: Course): Promise<Usage>;
}

async function afresh(course: Course): Promise<string> {
  const made = join(course.folder, 'made.torrent');
  await rm(made, { force: true });
  return made;
}

export const HASHING_TASKS: readonly HashingTask[] = [
  {
    name: 'swarm create',
    needs: [],
    async run(_scope, course) {
      const flags = ['-o', await afresh(course), '--piece-length', String(course.pieceLength), '--quiet'];
      return measure([...swarmCommandLine(course.network.near), 'create', course.content, ...flags]);
    },
  },
  {
    name: 'mktorrent',
    needs: ['mktorrent'],
    async run(_scope, course) {
      const flags = ['-l', String(Math.log2(course.pieceLength)), '-o', await afresh(course)];
      return measure(['mktorrent', ...flags, course.content]);
    },
  },
  {
    name: 'swarm verify',
    needs: [],
    run: (_scope, course) =>
      measure([
        ...swarmCommandLine(course.network.near),
        'verify',
        course.torrent,
        '--out',
        course.source,
        '--quiet',
      ]),
  },
  {
    name: 'aria2 check',
    needs: ['aria2c'],
    async run(_scope, course) {
      const flags = ['--check-integrity=true', '--bt-hash-check-seed=true', '--hash-check-only=true'];
      const job = { torrents: [course.torrent], folder: course.source };
      return measure(await aria2Command(course.network.near, job, flags));
    },
  },
];
