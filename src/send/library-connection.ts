import SMTPConnection, { type Options } from 'nodemailer/lib/smtp-connection';

/** The errors that the library reports. */
export interface LibraryError extends Error {
  code?: string | undefined;
  /** Code of the system's error, where the library has put its own in `code`. */
  originalCode?: string | undefined;
  response?: string | undefined;
}

/**
 * The steps of the library's connection that we build on and that its types do not show. Contract
 * tests hold it to them at every update.
 */
interface Internals {
  /** What `tls` holds is read when a handshake begins. */
  options: Options;
  _ehloLines?: string[];
  _maxAllowedSize: number;
  _supportedAuth: string[];
  _responseQueue: string[];
  /** The last of the queue goes on in a line that has not come yet. */
  _responsePartial: boolean;
  _responseActions: Array<(reply: string) => void>;
  _onConnect(): void;
  _onError(error: Error, type: string, reply: string | false, command: string): void;
  _processResponse(): void;
  _sendCommand(command: string, loggable?: string): void;
  _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void;
  _actionGreeting(reply: string): void;
  _actionSTARTTLS(reply: string): void;
}

export const LibraryConnection = SMTPConnection as unknown as new (
  options: Options,
) => SMTPConnection & Internals;
