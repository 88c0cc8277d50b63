import { sinkCommand } from '../../src/cli/sink.js';

/** The sink as a process of its own: the part of `main` that the command needs. */
async function runUntilStopped(stop: () => Promise<void>): Promise<number> {
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  await stop();
  return 0;
}

const command = sinkCommand((code) => {
  process.exitCode = code;
}, runUntilStopped);
command.exitOverride();
try {
  await command.parseAsync(process.argv.slice(2), { from: 'user' });
} catch {
  process.exitCode ??= 2;
}
