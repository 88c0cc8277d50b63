import { RelayError, type RelayErrorDetails } from '../../base/errors.js';

/** Why a run could not begin or go on, with the exit code of the command. */
export class RunnerError extends RelayError {
  /** 2: usage or config. 3: it could not be tested (port busy, node never ready). */
  readonly exitCode: 2 | 3;

  constructor(code: string, message: string, exitCode: 2 | 3, details: RelayErrorDetails) {
    super(code, message, details);
    this.name = 'RunnerError';
    this.exitCode = exitCode;
  }
}
