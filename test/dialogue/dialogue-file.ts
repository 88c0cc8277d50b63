/**
 * SMTP dialogues as plain text: what a client says, what it hears, and what the next hop hears of it.
 *
 *     # RFC 5321 §4.1.1.2: a comment
 *     == title                  a case; it begins with a new connection
 *     at: submission            the listener; `relay` unless said otherwise
 *     not[exim]                 this server is not asked; the reason follows
 *       why: …
 *     C: NOOP                   the client sends this line and CR LF
 *     C+ NOOP                   the same, in one write with the next C line
 *     C*100: NOOP               the same a hundred times, in one write; `{n}` counts
 *     C~ NOOP\n                 the client sends these bytes: \r \n \t \0 \xHH \\
 *     TLS                       the handshake that STARTTLS announced
 *     LEAVE                     the client closes without a word; else the case ends with QUIT
 *     S: 250 2.0.0 /Ok/ !/no/   the next reply: code, enhanced code, what it holds and does not hold
 *     S*100: 250                a hundred of them
 *     S: closed                 the server closes, and says nothing more
 *     S[exim]: 251              that is what this one says instead of the line above; `none`: nothing
 *     S[exim]: 250              … and that is what it says besides
 *       why: …                  the reason for both; a difference without one is refused
 *     N: MAIL FROM:<a@x.test> BODY=8BITMIME !RET    the next hop hears that, with and without those
 *     N: RCPT TO:<b@y.test>     … for exactly these recipients; no N at all: it hears of nothing
 *     N first: /^Received: /    its topmost header field, unfolded
 *     N field: /^Subject: x/    one of its header fields
 *     N no field: /^Bcc:/       none of them
 *     N body: text\r\n          its bytes behind the header, dots unstuffed
 *
 * Within C and N lines `{a*64}` is 64 times `a` and `{base64 \0app\0x}` the base64 of these bytes;
 * within patterns `{host}` is the server's name. Those of N know no case. Enhanced codes are looked at where a server
 * offers them (RFC 2034 §3).
 */

export const SERVERS = ['relaymesh', 'postfix', 'exim'] as const;
export type ServerName = (typeof SERVERS)[number];

export const LISTENERS = ['relay', 'submission', 'impatient'] as const;
export type ListenerName = (typeof LISTENERS)[number];

/** A reply that is due, or the end of the connection. */
export interface Reply {
  code: number;
  enhanced: string | null;
  patterns: readonly Pattern[];
  count: number;
}

export interface Pattern {
  source: string;
  /** It must not match. */
  absent: boolean;
}

export type Expected = Reply | 'closed' | 'none';

/** What is expected of every server, but for those with words of their own. */
export interface PerServer<T> {
  all: T;
  own: Map<ServerName, T>;
}

export type Step =
  | { kind: 'send'; line: number; bytes: Buffer }
  | { kind: 'expect'; line: number; expected: PerServer<Expected> }
  | { kind: 'tls'; line: number }
  | { kind: 'leave'; line: number };

/** A command, with parameters that it has and, behind `!`, keywords that it has not. */
export interface HopCommand {
  kind: 'mail' | 'rcpt';
  path: string;
  parameters: readonly string[];
}

export type ContentFact =
  | { kind: 'first'; source: string }
  | { kind: 'field'; source: string }
  | { kind: 'no field'; source: string }
  | { kind: 'body'; bytes: Buffer };

export type HopFact = HopCommand | ContentFact;

export interface HopLine {
  line: number;
  expected: PerServer<HopFact | 'none'>;
}

export interface Case {
  title: string;
  line: number;
  at: ListenerName;
  /** Servers that are not asked, and why. */
  not: Map<ServerName, string>;
  steps: Step[];
  hop: HopLine[];
}

/** What is wrong with a file, and where. */
export class DialogueFault extends Error {
  constructor(file: string, line: number, what: string) {
    super(`${file}:${line}: ${what}`);
  }
}

const LINE =
  /^(?<tag>C[:+~]|C\*\d+:|S(?:\*\d+)?|N(?: first| field| no field| body)?|at|not|TLS|LEAVE|==| {2}why)(?:\[(?<scope>[a-z ]+)\])?:?(?: (?<value>.*))?$/;

/** Reads a file. @throws DialogueFault at the first line that is not understood */
export function parseDialogue(text: string, file: string): Case[] {
  const reader = new Reader(file);
  for (const [index, line] of text.split('\n').entries()) {
    reader.read(line, index + 1);
  }
  return reader.end();
}

type Replace = (value: string, server: ServerName) => void;

class Reader {
  readonly #file: string;
  readonly #cases: Case[] = [];
  #line = 0;
  #held = '';
  /** The line that a scoped one replaces, and for which servers it was replaced already. */
  #before: { tag: string; replaced: Set<ServerName>; replace: Replace } | null = null;
  /** Where a reason is due: what takes it, and the servers that it is about. */
  #reason: { about: string; take: (why: string) => void } | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  read(line: string, number: number): void {
    const { tag, scope, value = '' } = LINE.exec(line)?.groups ?? {};
    const explained = (tag === '  why' && value !== '') || scope === this.#reason?.about;
    if (this.#reason !== null && !explained) {
      this.#fail('a difference needs its reason in the line below: `  why: …`');
    }
    this.#line = number;
    if (line === '' || line.startsWith('#')) return;
    if (tag === undefined) this.#fail(`not understood: ${line}`);
    const servers = scope === undefined ? null : this.#servers(scope);
    if (tag === '  why') this.#why(value);
    else if (tag === '==') this.#begin(value);
    else if (tag === 'not') this.#not(scope, servers);
    else if (servers !== null) this.#replace(tag, value, scope ?? '', servers);
    else this.#add(tag, value);
  }

  end(): Case[] {
    if (this.#reason !== null) this.#fail('a difference needs its reason: `  why: …`');
    this.#checkCase();
    return this.#cases;
  }

  #begin(title: string): void {
    this.#checkCase();
    if (title === '') this.#fail('a case needs a title');
    const { length: known } = this.#cases.filter((one) => one.title === title);
    if (known > 0) this.#fail(`a second case with the title ${title}`);
    this.#before = null;
    this.#cases.push({
      title,
      line: this.#line,
      at: 'relay',
      not: new Map(),
      steps: [],
      hop: [],
    });
  }

  #checkCase(): void {
    const last = this.#cases.at(-1);
    if (this.#held !== '') this.#fail('C+ is held for a C line that does not come');
    if (last !== undefined && !last.steps.some(({ kind }) => kind === 'expect')) {
      this.#fail(`the case before expects no reply: ${last.title}`);
    }
  }

  get #case(): Case {
    return this.#cases.at(-1) ?? this.#fail('a case begins with `== title`');
  }

  #why(why: string): void {
    if (this.#reason === null) this.#fail('a reason for nothing');
    this.#reason.take(why);
    this.#reason = null;
  }

  #not(scope: string | undefined, servers: ServerName[] | null): void {
    if (servers === null) this.#fail('which server? `not[exim]`');
    const { not } = this.#case;
    const take = (why: string): void => servers.forEach((server) => void not.set(server, why));
    this.#reason = { about: scope ?? '', take };
  }

  /** The first scoped line replaces the one above; further ones are what is said besides. */
  #replace(tag: string, value: string, scope: string, servers: ServerName[]): void {
    if (!/^[SN]/.test(tag)) this.#fail(`${tag} is the same for all servers`);
    const { tag: above, replaced } = this.#before ?? {};
    const again = above !== tag || servers.some((server) => replaced?.has(server) === true);
    if (again && (tag.startsWith('N') || this.#reason !== null)) this.#add(tag, 'none');
    else if (again) this.#fail(`${tag}[…] stands directly below the ${tag} line that it replaces`);
    for (const server of servers) {
      this.#before?.replace(value, server);
      this.#before?.replaced.add(server);
    }
    this.#reason ??= { about: scope, take: () => undefined };
  }

  #add(tag: string, value: string): void {
    const one = this.#case;
    const line = this.#line;
    this.#before = null;
    if (tag === 'at') {
      one.at = LISTENERS.find((name) => name === value) ?? this.#fail(`no listener ${value}`);
    } else if (tag === 'TLS' || tag === 'LEAVE') {
      one.steps.push({ kind: tag === 'TLS' ? 'tls' : 'leave', line });
    } else if (tag.startsWith('C')) {
      this.#send(tag, value);
    } else if (tag.startsWith('S')) {
      const count = Number(/\d+/.exec(tag)?.[0] ?? 1);
      const expected = this.#perServer(tag, value, (text) => this.#reply(text, count));
      one.steps.push({ kind: 'expect', line, expected });
    } else {
      const expected = this.#perServer(tag, value, (text) => this.#hopFact(tag, text));
      one.hop.push({ line, expected });
    }
  }

  #perServer<T>(tag: string, value: string, parse: (text: string) => T): PerServer<T> {
    const own = new Map<ServerName, T>();
    const replace: Replace = (text, server) => void own.set(server, parse(text));
    this.#before = { tag, replaced: new Set(), replace };
    return { all: parse(value), own };
  }

  #send(tag: string, value: string): void {
    if (tag === 'C+') {
      this.#held += `${expand(value)}\r\n`;
      return;
    }
    const count = Number(/\d+/.exec(tag)?.[0] ?? 1);
    const lines = Array.from({ length: count }, (_, index) =>
      expand(value.replaceAll('{n}', String(index + 1))),
    );
    const held = Buffer.from(this.#held);
    const bytes = tag === 'C~' ? unescape(value) : Buffer.from(`${lines.join('\r\n')}\r\n`);
    this.#case.steps.push({
      kind: 'send',
      line: this.#line,
      bytes: Buffer.concat([held, bytes]),
    });
    this.#held = '';
  }

  #reply(text: string, count: number): Expected {
    if (text === 'closed' || text === 'none') return text;
    const [, code, enhanced, rest = ''] =
      /^([2-5]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?((?: !?\/(?:[^/\\]|\\.)*\/)*)$/.exec(text) ?? [];
    if (code === undefined) this.#fail(`not a reply: ${text}`);
    const patterns = [...rest.matchAll(/ (!?)\/((?:[^/\\]|\\.)*)\//g)].map(([, absent, source]) =>
      this.#pattern(source ?? '', absent === '!'),
    );
    return { code: Number(code), enhanced: enhanced ?? null, patterns, count };
  }

  #hopFact(tag: string, text: string): HopFact | 'none' {
    if (text === 'none') return text;
    if (tag === 'N body') return { kind: 'body', bytes: unescape(text) };
    if (tag !== 'N') {
      const [, source] = /^\/(.*)\/$/.exec(text) ?? [];
      if (source === undefined) this.#fail(`not a pattern: ${text}`);
      const kind = tag.slice(2) as 'first' | 'field' | 'no field';
      return { kind, source: this.#pattern(source, false).source };
    }
    const [, verb, path, rest] = /^(MAIL FROM|RCPT TO):(<.*>)((?: !?[^ ]+)*)$/.exec(text) ?? [];
    if (verb === undefined || path === undefined) this.#fail(`not MAIL or RCPT: ${text}`);
    const parameters = (rest ?? '').split(' ').filter((word) => word !== '');
    return { kind: verb === 'RCPT TO' ? 'rcpt' : 'mail', path: expand(path), parameters };
  }

  #pattern(source: string, absent: boolean): Pattern {
    try {
      void new RegExp(source.replaceAll('{host}', ''), 'm');
    } catch {
      this.#fail(`not a pattern: /${source}/`);
    }
    return { source, absent };
  }

  #servers(scope: string): ServerName[] {
    return scope
      .split(' ')
      .map((name) => SERVERS.find((one) => one === name) ?? this.#fail(`no server ${name}`));
  }

  #fail(what: string): never {
    throw new DialogueFault(this.#file, this.#line, what);
  }
}

/** `{a*64}` and `{base64 …}`; anything else in braces stays. */
function expand(text: string): string {
  return text
    .replace(/\{([^{}*]+)\*(\d+)\}/g, (_, what: string, count: string) =>
      what.repeat(Number(count)),
    )
    .replace(/\{base64 ([^{}]*)\}/g, (_, what: string) => unescape(what).toString('base64'));
}

function unescape(text: string): Buffer {
  const known: Record<string, string> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' };
  const parts: Buffer[] = [];
  for (const [part, hex, letter] of text.matchAll(/\\x([0-9A-Fa-f]{2})|\\([rnt0\\])|[^\\]+|\\/g)) {
    parts.push(
      hex !== undefined
        ? Buffer.of(Number.parseInt(hex, 16))
        : Buffer.from(letter === undefined ? expand(part) : (known[letter] ?? '')),
    );
  }
  return Buffer.concat(parts);
}
