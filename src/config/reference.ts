import { variableOf } from './origin.js';
import { CONFIG_KEY_NAMES, CONFIG_KEYS } from './schema.js';

/** A key as the reference shows it. */
export interface KeyReference {
  key: string;
  type: string;
  default: string;
  environment: string;
  /** Whether it can be an option; a secret cannot. */
  option: string | null;
  meaning: string;
}

const WIDTH = 80;
const INDENT = '    ';

const PREFACE = `A config file has lines of the form

    key: value                 # a comment, also at the start of a line
    key: "a # in quotes"       # \\" and \\\\ there: a quote, a backslash

Lists are separated by commas or spaces. Paths are relative to the file that
they stand in, else to the working directory. A key can be set, from low to high
precedence, in the topology, in the config file, in the environment, and on the
command line as --key=value. Passwords are never taken from the command line.
`;

/** Every flat key, in the order of the schema. */
export function keyReferences(): KeyReference[] {
  return CONFIG_KEY_NAMES.map((key) => {
    const { type, default: standard, doc, secret } = CONFIG_KEYS[key];
    return {
      key,
      type,
      default: standard,
      environment: variableOf(key),
      option: secret ? null : `--${key}`,
      meaning: doc,
    };
  });
}

/** For a terminal of 80 columns. */
export function referenceText(): string {
  const entries = keyReferences().map(
    ({ key, type, default: standard, environment, meaning }) =>
      `${key}: <${type}>\n${wrapped(meaning)}${wrapped(`Default: ${standard}`)}${INDENT}${environment}\n`,
  );
  return [PREFACE, ...entries].join('\n');
}

export function referenceMarkdown(): string {
  const rows = keyReferences().map(
    ({ key, type, default: standard, environment, meaning }) =>
      `| \`${key}\` | ${cell(type)} | ${cell(standard)} | \`${environment}\` | ${cell(meaning)} |\n`,
  );
  return `| key | type | default | environment | meaning |\n|---|---|---|---|---|\n${rows.join('')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function wrapped(text: string): string {
  let lines = '';
  let line = INDENT;
  for (const word of text.split(' ')) {
    if (line.length + word.length > WIDTH && line !== INDENT) {
      lines += `${line.trimEnd()}\n`;
      line = INDENT;
    }
    line += `${word} `;
  }
  return `${lines}${line.trimEnd()}\n`;
}
