import type { Transform } from 'node:stream';
import SMTPConnection, { type Options } from 'nodemailer/lib/smtp-connection';

/** The errors that the library reports. */
export interface LibraryError extends Error {
  code?: string | undefined;
  /** Code of the system's error, where the library has put its own in `code`. */
  originalCode?: string | undefined;
  response?: string | undefined;
}

type Callback = (error: LibraryError | null) => void;
type ReplyCallback = (error: LibraryError | null, reply?: string) => void;

/**
 * The steps of the library's connection that we build on and that its types do not show. Contract
 * tests hold it to them at every update.
 */
interface Internals {
  _ehloLines?: string[];
  _maxAllowedSize: number;
  _supportedAuth: string[];
  _responseQueue: string[];
  _responseActions: Array<(reply: string) => void>;
  _onConnect(): void;
  _onError(error: Error, type: string, reply: string | false, command: string): void;
  _processResponse(): void;
  _sendCommand(command: string, loggable?: string): void;
  _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void;
  _createSendStream(callback: ReplyCallback): Transform;
  _actionGreeting(reply: string): void;
  _actionSTARTTLS(reply: string): void;
  _actionMAIL(reply: string, callback: Callback): void;
  _actionRCPT(reply: string, callback: Callback): void;
  _actionDATA(reply: string, callback: Callback): void;
  _actionSMTPStream(reply: string, callback: ReplyCallback): void;
}

export const LibraryConnection = SMTPConnection as unknown as new (
  options: Options,
) => SMTPConnection & Internals;
