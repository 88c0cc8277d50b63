import { LevelTraceStore } from '../../src/trace/level-store.js';
import { TraceRecorder } from '../../src/trace/recorder.js';
import { wrap } from '../crash/wrap.js';

/*
 * Loaded into a node before its program (`node --import`) by recording-cost.ts: answers with the CPU
 * time that the process has taken, and records nothing where `RECORDING=off`. The product itself has
 * no such switch.
 */

if (process.env['RECORDING'] === 'off') {
  wrap(TraceRecorder.prototype, 'arrived', () => () => undefined);
  wrap(TraceRecorder.prototype, 'attempted', () => () => undefined);
  wrap(LevelTraceStore.prototype, 'put', () => () => undefined);
}

process.on('message', (message) => {
  if (message === 'cpu-usage') {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuUs: user + system });
  }
});
