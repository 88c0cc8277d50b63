import { CST, Lexer } from 'yaml';
import { RULES, type Fault, type RuleId } from '../fault.js';

/*
 * Comments with which a file says that a warning is known:
 *
 *   # relaymesh-lint-disable-next-line RULE: reason
 *   # relaymesh-lint-disable-file RULE: reason
 *
 * The reason has to be there. Only warnings can be silenced: an error is about what cannot work.
 * What is silenced is counted in the summary, and a comment that silences nothing is a warning.
 */

/** One such comment, as it stands in the file. */
export interface Silence {
  /** Where the comment begins, both from 1. */
  line: number;
  column: number;
  /** The line that it is about; undefined: the whole file. */
  about: number | undefined;
  /** Undefined when the comment is not of the form above, with `problem`. */
  ruleId: RuleId | undefined;
  problem?: { message: string; hint: string };
}

const COMMENT = /^#+\s*relaymesh-lint-disable(\S*)\s*(.*)$/;
const FORM = 'as in `# relaymesh-lint-disable-next-line unused-secret: kept for the next rotation`';

/** Rules whose word depends on the machine, so that silencing them may be needed elsewhere. */
const OF_THE_MACHINE: ReadonlySet<RuleId> = new Set(['secret-unavailable']);

/** The comments of a YAML text that are for the linter, in order. */
export function readSilences(text: string): Silence[] {
  if (!text.includes('relaymesh-lint-disable')) return [];
  const silences: Silence[] = [];
  for (const comment of commentsOf(text)) {
    const [, scope, rest = ''] = COMMENT.exec(comment.text.trimEnd()) ?? [];
    if (scope === undefined) continue;
    const { line, column } = comment;
    const about = scope === '-file' ? undefined : comment.nextContentLine;
    silences.push({ line, column, about, ...parseSilence(scope, rest) });
  }
  return silences;
}

function parseSilence(scope: string, rest: string): Pick<Silence, 'ruleId' | 'problem'> {
  const refuse = (message: string, hint = FORM): ReturnType<typeof parseSilence> => ({
    ruleId: undefined,
    problem: { message, hint },
  });
  if (scope !== '-next-line' && scope !== '-file') {
    return refuse('a comment for the linter ends in -next-line or -file');
  }
  const [, name = '', reason = ''] = /^([a-z0-9-]*)\s*(?::\s*(.*))?$/.exec(rest) ?? [];
  if (!Object.hasOwn(RULES, name)) {
    return refuse('this comment for the linter names no rule', `${FORM}; see --rules`);
  }
  const ruleId = name as RuleId;
  if (reason.trim() === '') return refuse(`this comment does not say why ${ruleId} is silenced`);
  return { ruleId };
}

/**
 * Takes the silenced warnings out and adds what is wrong with the comments themselves.
 *
 * @param complete Every rule had its say, so that a comment without effect is not needed.
 */
export function applySilences(
  faults: readonly Fault[],
  silences: readonly Silence[],
  { file, complete }: { file: string; complete: boolean },
): { faults: Fault[]; silenced: Fault[] } {
  const used = new Set<Silence>();
  const silenced: Fault[] = [];
  const left = faults.filter((fault) => {
    const fitting = silences.filter((silence) => fits(silence, fault, file));
    // a comment for the line goes before one for the file
    const silence = fitting.find(({ about }) => about !== undefined) ?? fitting[0];
    if (silence === undefined) return true;
    used.add(silence);
    silenced.push(fault);
    return false;
  });
  const about = (
    { line, column }: Silence,
    ruleId: RuleId,
    message: string,
    hint: string,
  ): Fault => ({ ruleId, severity: RULES[ruleId].severity, message, hint, file, line, column });
  for (const silence of silences) {
    const { ruleId, problem } = silence;
    if (problem !== undefined) {
      left.push(about(silence, 'invalid-lint-comment', problem.message, problem.hint));
    } else if (ruleId !== undefined && complete && !used.has(silence)) {
      if (OF_THE_MACHINE.has(ruleId)) continue;
      const hint = 'take the comment away; errors cannot be silenced';
      left.push(about(silence, 'unused-lint-comment', `no ${ruleId} to silence here`, hint));
    }
  }
  return { faults: left, silenced };
}

function fits({ ruleId, about }: Silence, fault: Fault, file: string): boolean {
  return (
    fault.ruleId === ruleId &&
    fault.severity === 'warning' &&
    fault.file === file &&
    (about === undefined || about === fault.line)
  );
}

interface Comment {
  text: string;
  line: number;
  column: number;
  /** The first line below with more than a comment on it. */
  nextContentLine: number;
}

/** Only what YAML takes for a comment; a block of text may hold lines that look like one. */
function commentsOf(text: string): Comment[] {
  const comments: Comment[] = [];
  /** Comments whose next line with content has not come yet. */
  let waiting: Comment[] = [];
  let line = 1;
  let column = 1;
  for (const lexeme of new Lexer().lex(text)) {
    const type = CST.tokenType(lexeme);
    // control characters of the lexer, which do not stand in the text
    if (type === 'doc-mode' || type === 'flow-error-end' || type === 'scalar') continue;
    if (type === 'comment') {
      const comment = { text: lexeme, line, column, nextContentLine: 0 };
      comments.push(comment);
      waiting.push(comment);
    } else if (lexeme.trim() !== '') {
      for (const comment of waiting) comment.nextContentLine = line;
      waiting = [];
    }
    const ends = lexeme.split('\n');
    line += ends.length - 1;
    column = ends.length === 1 ? column + lexeme.length : (ends.at(-1) ?? '').length + 1;
  }
  return comments;
}
