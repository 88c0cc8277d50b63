import { parseReply } from '../format/reply.js';
import type { LibraryError } from './library-connection.js';
import type { Stage } from './outcome.js';

/** A session that cannot go on: where it broke, and the remote's words if there were any. */
export class SessionFault extends Error {
  constructor(
    readonly stage: Stage,
    readonly result: 'timeout' | 'lost' | 'invalid' | 'error',
    message: string,
    readonly code: number | null = null,
    readonly enhanced: string | null = null,
  ) {
    super(message);
    this.name = 'SessionFault';
  }
}

/** What the library reports, in our terms. `stage` is where the session stood. */
export function toSessionFault(error: LibraryError, stage: Stage): SessionFault {
  const reply = typeof error.response === 'string' ? parseReply(error.response) : null;
  return new SessionFault(
    stageOf(error, stage),
    resultOf(error, reply !== null),
    reply?.text ?? wordsOf(error),
    reply?.code ?? null,
    reply?.enhanced ?? null,
  );
}

function resultOf(error: LibraryError, replied: boolean): SessionFault['result'] {
  if (error.code === 'ETIMEDOUT' || error.originalCode === 'ETIMEDOUT') {
    return 'timeout';
  }
  if (error.code === 'EPROTOCOL' && !isRefusal(error.response)) {
    return 'invalid';
  }
  return replied || error.code === 'ETLS' || error.code === 'EDNS' || isTlsRefusal(error)
    ? 'error'
    : 'lost';
}

/** The library calls a greeting that refuses a broken protocol; it is a plain answer. */
function isRefusal(response: string | undefined): boolean {
  return /^[45]\d\d/.test(response ?? '');
}

/** A certificate that is refused on a port with TLS from the first byte shows up as a socket error. */
function stageOf(error: LibraryError, stage: Stage): Stage {
  return stage === 'connect' && isTlsRefusal(error) ? 'starttls' : stage;
}

/** The certificate will not do, or the two sides have no TLS in common; no mere loss. */
function isTlsRefusal({ originalCode, code = '' }: LibraryError): boolean {
  return /^(CERT_|ERR_TLS|ERR_SSL|DEPTH_|UNABLE_TO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO$)/.test(
    originalCode ?? code,
  );
}

/** The library's message without the names of its own functions. */
function wordsOf(error: LibraryError): string {
  return error.message
    .replace(/^Error initiating TLS - /, '')
    .replace(/^Connection closed unexpectedly$/, 'the hop closed the connection');
}
