import { refuse, type Refusal } from './refusal.js';

/** The words behind `AUTH EXTERNAL`, or a line of its own when there were none. */
export type ExternalResponse =
  /** Nothing was said yet: the client is asked. */
  | { kind: 'ask' }
  /** Who the client wants to be; '' leaves that to its certificate. */
  | { kind: 'name'; authzid: string }
  | { kind: 'refused'; refusal: Refusal };

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/;

/** RFC 4954 §4: no initial response, or one, in which `=` stands for an empty one. */
export function readInitialResponse(command: string): ExternalResponse {
  const [response, ...more] = command.trim().split(/\s+/).slice(2);
  if (more.length > 0) {
    return refused('5.5.4', 'Syntax: AUTH EXTERNAL [initial-response]');
  }
  if (response === undefined) {
    return { kind: 'ask' };
  }
  return response === '=' ? { kind: 'name', authzid: '' } : readName(response);
}

/** The line that answers an empty challenge; `*` gives up (RFC 4954 §4). */
export function readResponse(line: string): ExternalResponse {
  const response = line.trim();
  return response === '*' ? refused('5.7.0', 'Authentication aborted') : readName(response);
}

export function isExternal(command: string): boolean {
  return /^AUTH\s+EXTERNAL(?:\s|$)/i.test(command);
}

function readName(response: string): ExternalResponse {
  if (!BASE64.test(response)) {
    return refused('5.5.2', 'Not base64');
  }
  return { kind: 'name', authzid: Buffer.from(response, 'base64').toString('utf8') };
}

function refused(enhanced: string, text: string): ExternalResponse {
  return { kind: 'refused', refusal: refuse(501, enhanced, text) };
}
