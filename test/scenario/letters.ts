import type { Submission } from './mail-sender.js';

export interface Letter {
  recipients: string | string[];
  sender?: string;
  /** Further lines of the header. */
  header?: string[];
  bodyBytes?: number;
}

const LINE = 'One line of a letter, as long as the others are.\r\n';

/** A small message whose subject is its first recipient, by which a server's records tell it. */
export function letter({
  recipients,
  sender = 'sender@scenario.test',
  header = [],
  bodyBytes = 200,
}: Letter): Submission {
  const all = [recipients].flat();
  const lines = [
    ...header,
    `From: <${sender}>`,
    `To: <${all.join('>, <')}>`,
    `Subject: ${all[0]}`,
    `Message-ID: <${String(all[0]).replace('@', '.')}@scenario.test>`,
    '',
    LINE.repeat(Math.ceil(bodyBytes / LINE.length)),
  ];
  return { sender, recipients: all, raw: Buffer.from(lines.join('\r\n')) };
}

/** The subjects of contents that a server has taken, in order. */
export function subjects(contents: readonly string[]): string[] {
  return contents.map((content) => /^Subject: (.*?)\r?$/m.exec(content)?.[1] ?? '');
}

/** `name-1@domain` to `name-count@domain`. */
export function numbered(count: number, name: string, domain: string): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index + 1}@${domain}`);
}
