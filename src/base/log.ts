import { pino, type Logger } from 'pino';

export type { Logger };

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * One JSON line an event on stdout (fd 1), written at once so that a killed process loses nothing
 * it had logged. Keys that could carry a credential are cut off here as a last guard; secrets are
 * `Secret` objects and print a mask wherever they go.
 */
export function createLogger(node: string, level: LogLevel = 'info'): Logger {
  return pino({
    level,
    base: { node },
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ['password', '*.password', 'token', '*.token', 'authorization', '*.authorization'],
      remove: true,
    },
  });
}

/** Logs nothing; for tests and for commands whose output is for people. */
export const silentLogger: Logger = pino({ level: 'silent' });
