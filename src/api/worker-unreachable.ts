import { RelayError } from '../base/errors.js';

/** A worker process of this node that did not answer, so that its part is missing. */
export interface MissingWorker {
  /** Its number, from 0. */
  worker: number;
  reason: string;
}

/** What was asked for may be at a worker that does not answer: answered as 503, never as 404. */
export class WorkerUnreachable extends RelayError {
  /** @param done what happened all the same, as one sentence */
  constructor(missing: readonly MissingWorker[], done = '') {
    const which = missing.map(({ worker, reason }) => `worker ${worker}: ${reason}`).join('; ');
    super(
      'WORKER_UNREACHABLE',
      `${which === '' ? 'no worker runs' : which}.${done === '' ? '' : ` ${done}`}`,
      {
        fault: 'system',
        hint: 'A worker that ended is started again; see the log of the node.',
      },
    );
  }
}
