import { systemClock, type Clock } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import { silentLogger, type Logger } from '../base/log.js';
import { isLoopbackHost } from '../format/loopback.js';
import { Capture } from './capture.js';
import { InFlight, type SinkContext } from './context.js';
import { FaultPlan } from './faults.js';
import { startSinkApi, type RunningApi } from './http.js';
import { Journal, type OpenJournalFile } from './journal.js';
import type { BoundAddress } from './listen.js';
import { startSmtp, type RunningSmtp } from './server.js';
import { DEFAULT_SINK_LIMITS, type SinkSettings, type SinkUser } from './settings.js';
import { MessageStore } from './store.js';
import { UserRegister } from './users.js';

/** A sink that takes mail. */
export interface RunningSink {
  /** Where it listens for mail, with the port that was bound. */
  smtp: BoundAddress;
  /** Where its HTTP API listens. */
  api: BoundAddress;
  /** From now on these may log in; who is logged in stays so. */
  replaceUsers(users: readonly SinkUser[]): void;
  /**
   * Open sessions get 421, a message on its way is answered first; whoever does not hang up within
   * `stopTimeoutMs` is cut off. Resolves when all sockets are closed. Further calls join the first.
   */
  stop(): Promise<void>;
}

/** What a sink is given from outside, for tests to replace. */
export interface SinkSurroundings {
  logger?: Logger;
  clock?: Clock;
  openJournalFile?: OpenJournalFile;
}

/**
 * Starts the stand-in for the outside world: it accepts mail, remembers what it was and throws it
 * away. Resolves when mail and API requests are taken; after a rejection nothing is left open.
 * @throws RelayError SINK_SETTINGS_INVALID, SINK_TLS_INVALID, SINK_CAPTURE_UNUSABLE,
 * SINK_JOURNAL_UNUSABLE, SINK_ADDRESS_UNAVAILABLE
 */
export async function startSink(
  settings: SinkSettings,
  surroundings: SinkSurroundings = {},
): Promise<RunningSink> {
  checkSettings(settings);
  const { logger = silentLogger, clock = systemClock } = surroundings;
  const limits = { ...DEFAULT_SINK_LIMITS, ...settings.limits };
  const capture =
    settings.captureDirectory === undefined
      ? null
      : await Capture.open(settings.captureDirectory, limits.maxMessages);
  const journal =
    settings.journalFile === undefined
      ? null
      : await Journal.open(settings.journalFile, surroundings.openJournalFile);
  const inFlight = new InFlight();
  const store = new MessageStore(limits, (id) => {
    if (capture === null) return;
    const removal = capture.remove(id).catch((error: unknown) => {
      logger.warn({ err: error, id }, 'a capture could not be removed');
    });
    inFlight.track(removal);
  });
  const users = new UserRegister(settings.users);
  const context: SinkContext = {
    name: settings.name,
    tls: settings.tls,
    limits,
    users,
    faults: new FaultPlan(settings.faults, settings.seed),
    store,
    capture,
    journal,
    clock,
    log: logger,
    stopping: false,
    inFlight,
  };
  const { smtp, api } = await openListeners(settings, context).catch(async (error: unknown) => {
    await journal?.close();
    throw error;
  });
  let stopped: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    // The API answers until the last session has ended, so that a probe sees "not ready".
    await smtp.stop();
    await api.stop();
    await journal?.close();
    logger.info({ event: 'stopped', stats: store.stats() }, 'sink has stopped');
  };
  return {
    smtp: smtp.address,
    api: api.address,
    replaceUsers: (replacing) => users.replace(replacing),
    stop: () => (stopped ??= stop()),
  };
}

/** Both or neither. */
async function openListeners(
  settings: SinkSettings,
  context: SinkContext,
): Promise<{ smtp: RunningSmtp; api: RunningApi }> {
  const { host, port, certificate, apiHost, apiPort, apiToken } = settings;
  const { store, capture, faults, log } = context;
  const smtp = await startSmtp({ host, port, ...(certificate && { certificate }) }, context);
  try {
    const api = await startSinkApi(
      { host: apiHost, port: apiPort, ...(apiToken && { token: apiToken }) },
      { store, capture, faults, log, isReady: () => !context.stopping },
    );
    return { smtp, api };
  } catch (error) {
    await smtp.stop();
    throw error;
  }
}

function checkSettings(settings: SinkSettings): void {
  if (settings.tls !== 'none' && settings.certificate === undefined) {
    throw invalid(`tls ${settings.tls} needs a certificate and its key`);
  }
  if (settings.apiToken === undefined && !isLoopbackHost(settings.apiHost)) {
    throw invalid('an API without a token must listen on loopback');
  }
  if (!/^[A-Za-z0-9._-]{1,255}$/.test(settings.name)) {
    throw invalid('the name must be a host name');
  }
}

function invalid(message: string): RelayError {
  return new RelayError('SINK_SETTINGS_INVALID', message, { fault: 'operator' });
}
