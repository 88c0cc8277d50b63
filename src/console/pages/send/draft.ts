import { addressesOf, composeMessage, faultOfMessage, withCrlf, withCrlfBytes } from './letter.js';

/** What stands in the form. */
export interface Draft {
  sender: string;
  recipients: string;
  kind: 'letter' | 'source';
  subject: string;
  text: string;
  /** A whole message, RFC 5322. */
  source: string;
  /** A file in place of `source`. */
  file: { name: string; bytes: Uint8Array<ArrayBuffer> } | null;
  /** Of the Message-ID of a letter, and when it was begun. */
  id: string;
  atMs: number;
}

export const EMPTY_DRAFT: Draft = {
  sender: '',
  recipients: '',
  kind: 'letter',
  subject: 'Test message',
  text: 'This message was sent from the console of relaymesh.\n',
  source: '',
  file: null,
  id: '',
  atMs: 0,
};

/** Why it cannot be sent, or, where it is only asked for its way, why that cannot be; null: it can. */
export function faultOf(draft: Draft, isSent: boolean): string | null {
  const recipients = addressesOf(draft.recipients);
  if (recipients.length === 0) return 'There is no recipient.';
  if (!isSent || draft.kind === 'letter') return null;
  if (draft.file !== null) return draft.file.bytes.length === 0 ? 'The file is empty.' : null;
  return faultOfMessage(draft.source);
}

/** The message as text; of a file as many characters as it has bytes. */
export function textOf(draft: Draft): string {
  if (draft.kind === 'source') {
    if (draft.file === null) return withCrlf(draft.source);
    return new TextDecoder('latin1').decode(draft.file.bytes);
  }
  return composeMessage({
    ...draft,
    recipients: addressesOf(draft.recipients),
    sender: draft.sender.trim(),
  });
}

/** As it is handed in. */
export function contentOf(draft: Draft): { type: string; text: string | Blob } {
  const isFile = draft.kind === 'source' && draft.file !== null;
  const text = isFile
    ? new Blob([withCrlfBytes(draft.file?.bytes ?? new Uint8Array())])
    : textOf(draft);
  return { type: 'message/rfc822', text };
}
