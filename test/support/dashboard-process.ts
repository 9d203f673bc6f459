/**
 * A program with a dashboard, to be ended in every way from outside. Arguments: a file for its process id, and
 * the shell command that tells the test that the dashboard is up. SIGUSR1 makes it throw, SIGUSR2 reject.
 */
import { execSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { openDashboard } from '../../tui/index.js';
import { DemoEngine } from './demo-snapshot.js';

const [pidFile = '', tellReady = ''] = process.argv.slice(2);
const engine = new DemoEngine();
const dashboard = openDashboard({
  snapshot() {
    engine.step(250);
    return engine.snapshot();
  },
  onQuit: () => dashboard.close(),
});
process.on('SIGUSR1', () => {
  throw new Error('thrown on purpose');
});
process.on('SIGUSR2', () => {
  void Promise.reject(new Error('rejected on purpose'));
});
writeFileSync(pidFile, String(process.pid));
// What was drawn is written at the end of this turn.
setImmediate(() => execSync(tellReady));
