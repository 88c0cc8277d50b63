import { createTransport, type SMTPConnectionOptions, type SMTPEnvelopeDsn } from 'nodemailer';
import type { Readable } from 'node:stream';

/** Where a client hands in its mail. */
export interface Target {
  host: string;
  port: number;
  /** With TLS (STARTTLS): the PEM root that vouches for the server. */
  ca?: string;
  user?: { username: string; password: string };
}

export interface Submission {
  /** '' is the null sender. */
  sender: string;
  recipients: string[];
  raw: Buffer | Readable;
  dsn?: SMTPEnvelopeDsn;
  /** Says REQUIRETLS (RFC 8689); the server has to offer it. */
  requireTls?: boolean;
}

/** Sends mail; each promise stands for one 250, or is rejected. */
export interface Sender {
  send(mail: Submission): Promise<void>;
  close(): void;
}

/** A sender with a connection for each message. */
export function openSender(target: Target): Sender {
  const transport = createTransport(optionsOf(target));
  return { send: (mail) => deliver(transport, mail), close: () => transport.close() };
}

/** A sender that keeps up to `connections` of them open. */
export function openPool(target: Target, connections: number): Sender {
  const transport = createTransport({
    ...optionsOf(target),
    pool: true,
    maxConnections: connections,
    maxMessages: Infinity,
  });
  return { send: (mail) => deliver(transport, mail), close: () => transport.close() };
}

/** Hands in one message. */
export async function submit(target: Target, mail: Submission): Promise<void> {
  const sender = openSender(target);
  try {
    await sender.send(mail);
  } finally {
    sender.close();
  }
}

function optionsOf({ host, port, ca, user }: Target): SMTPConnectionOptions & { auth?: object } {
  return {
    host,
    port,
    name: 'client.scenario.test',
    ...(ca === undefined ? { ignoreTLS: true } : { requireTLS: true, tls: { ca } }),
    ...(user === undefined ? {} : { auth: { user: user.username, pass: user.password } }),
  };
}

interface Transport {
  sendMail(mail: object): Promise<{ rejected?: unknown[] }>;
}

async function deliver(transport: Transport, mail: Submission): Promise<void> {
  const { sender, recipients, raw, dsn, requireTls = false } = mail;
  const info = await transport.sendMail({
    envelope: { from: sender === '' ? false : sender, to: recipients },
    raw,
    requireTLSExtensionEnabled: requireTls,
    ...(dsn === undefined ? {} : { dsn }),
  });
  // One refused recipient among several does not reject: a 250 counts only for all.
  if ((info.rejected ?? []).length > 0) throw new Error('a recipient was refused');
}
