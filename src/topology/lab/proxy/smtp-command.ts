import { parsePath } from '../../../format/address.js';
import { authSubject } from '../../../sink/auth-command.js';

/** What a link has to know of a command. */
export interface SmtpCommand {
  kind: 'helo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'reset' | 'chunk' | 'other';
  /** What a fault rule at this stage is held against; null when the command is not well formed. */
  subject: string | null;
}

const KINDS: Readonly<Record<string, SmtpCommand['kind']>> = {
  EHLO: 'helo',
  HELO: 'helo',
  STARTTLS: 'starttls',
  AUTH: 'auth',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
  RSET: 'reset',
  BDAT: 'chunk',
};

/** Reads a line with its line end; null for one that does not look like SMTP at all. */
export function readCommand(line: Buffer): SmtpCommand | null {
  const verb = /^([A-Za-z]{3,12})[ \r\n]/.exec(line.toString('latin1', 0, 13))?.[1];
  if (verb === undefined) return null;
  const kind = KINDS[verb.toUpperCase()] ?? 'other';
  return { kind, subject: subjectOf(kind, line) };
}

function subjectOf(kind: SmtpCommand['kind'], line: Buffer): string | null {
  switch (kind) {
    case 'helo':
      return line.toString('utf8').trim().split(/\s+/)[1] ?? null;
    case 'mail':
      return addressIn(line, /^MAIL FROM:\s*/i);
    case 'rcpt':
      return addressIn(line, /^RCPT TO:\s*/i);
    case 'auth':
      return authSubject(line.toString('utf8'));
    case 'data':
    case 'starttls':
      return line.toString('latin1').trim().includes(' ') ? null : '';
    default:
      return null;
  }
}

function addressIn(line: Buffer, prefix: RegExp): string | null {
  const text = line.toString('utf8');
  const verb = prefix.exec(text);
  return verb === null ? null : (parsePath(text.slice(verb[0].length))?.address.address ?? null);
}
