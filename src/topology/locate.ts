import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Alias,
  type Document,
  type Node,
  type Pair,
  type ParsedNode,
  type YAMLError,
} from 'yaml';
import { LinePlaces } from '../format/line-places.js';
import { inFileOrder, RULES, type Fault, type Path, type RuleId } from './fault.js';
import { readSilences, type Silence } from './lint/silence.js';

export interface Position {
  line: number;
  column: number;
  /** Where the value stands when that is not the file itself; `line` is 0 if it has no lines. */
  file?: string;
}

/** Where in the file a value stands. */
export interface SourcePositions {
  readonly file: string;
  /**
   * The position of the scalar at `path`, or of the key before it when it is a mapping, a list or
   * empty, or when `part` is `key`. A path that is not in the file has the position of its nearest
   * ancestor.
   */
  at(path: Path, part?: 'key' | 'value'): Position;
  /** True when the file itself holds `path`, not only the schema's defaults. */
  has(path: Path): boolean;
  /** Comments of the file that silence warnings. */
  readonly silences?: readonly Silence[];
}

export interface ParsedYaml {
  /** In the order of the file. */
  faults: Fault[];
  /** Absent when the text cannot be understood; of a key that stands twice, the last one counts. */
  content?: { value: unknown; positions: SourcePositions };
}

/** Alias uses that a file may expand to; far more than a topology that people wrote has. */
const MAX_ALIASES = 100;

const PLAIN_TAGS = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((tag) => `tag:yaml.org,2002:${tag}`),
);

/**
 * Parses one YAML 1.2 document (core schema). Refused are all that would let a file mean more than
 * it shows: further documents, tags, merge keys (an ordinary key here), directives of other YAML
 * versions, aliases that expand without bound. Messages never quote the source, since it could
 * hold a password in the wrong place.
 */
export function parseYaml(file: string, text: string): ParsedYaml {
  const places = new LinePlaces(text);
  // no `prettyErrors`: those quote the source
  const document = parseDocument(text, {
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
    logLevel: 'error',
  });
  const fault = (ruleId: RuleId, offset: number, message: string, hint?: string): Fault => {
    const { severity } = RULES[ruleId];
    return {
      ruleId,
      severity,
      message,
      ...(hint === undefined ? {} : { hint }),
      file,
      ...places.at(offset),
    };
  };
  const faults = syntaxFaults(document.errors, fault);
  if (document.directives?.yaml.version !== '1.2') {
    faults.push(fault('yaml-syntax', 0, 'only YAML 1.2 is read', 'take the %YAML line away'));
  }
  faults.push(...nodeFaults(document, fault));
  if (faults.some(({ ruleId }) => ruleId !== 'duplicate-key')) {
    return { faults: inFileOrder(faults) };
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    const positions = { ...positionsOf(file, document, places), silences: readSilences(text) };
    return { faults, content: { value, positions } };
  } catch {
    // the only throw that is left after `nodeFaults`: maxAliasCount
    const message = `the aliases expand to more than ${MAX_ALIASES} copies`;
    return { faults: [fault('alias-bomb', firstAlias(document), message)] };
  }
}

type MakeFault = (ruleId: RuleId, offset: number, message: string, hint?: string) => Fault;

function syntaxFaults(errors: readonly YAMLError[], fault: MakeFault): Fault[] {
  // nesting that is too deep brings a long tail of errors that all mean the same
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  if (exhausted !== undefined) {
    return [fault('yaml-syntax', exhausted.pos[0], 'lists and mappings are nested too deeply')];
  }
  return errors.map((error) => {
    switch (error.code) {
      case 'DUPLICATE_KEY':
        return fault('duplicate-key', error.pos[0], 'this key stands twice in the same mapping');
      case 'MULTIPLE_DOCS':
        return fault(
          'several-documents',
          error.pos[0],
          'a second YAML document begins here',
          'keep one topology in each file',
        );
      case 'UNEXPECTED_TOKEN':
        return fault('yaml-syntax', error.pos[0], 'this is not expected here');
      // the messages of these two quote the source as well
      case 'TAG_RESOLVE_FAILED':
        return fault('yaml-tag', error.pos[0], 'this value has a YAML tag');
      case 'BAD_DQ_ESCAPE':
        return fault('yaml-syntax', error.pos[0], 'this is not an escape sequence');
      default:
        return fault('yaml-syntax', error.pos[0], error.message);
    }
  });
}

function nodeFaults(document: Document.Parsed, fault: MakeFault): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Alias(_key, alias) {
      const offset = alias.range?.[0] ?? 0;
      const target = alias.resolve(document);
      if (target === undefined) {
        faults.push(fault('yaml-syntax', offset, 'this alias has no anchor before it'));
      } else if (contains(target, alias)) {
        faults.push(fault('alias-bomb', offset, 'this alias is inside of what it stands for'));
      }
    },
    Pair(_key, pair) {
      // objects drop this key without a word
      if (!isScalar(pair.key) || pair.key.value !== '__proto__') return;
      const offset = pair.key.range?.[0] ?? 0;
      faults.push(fault('invalid-value', offset, '`__proto__` cannot be a key'));
    },
    Node(_key, node) {
      if (isAlias(node) || node.tag === undefined || PLAIN_TAGS.has(node.tag)) return;
      const offset = node.range?.[0] ?? 0;
      faults.push(
        fault('yaml-tag', offset, 'this value has a YAML tag', 'take the tag away (`!…`)'),
      );
    },
  });
  return faults;
}

function contains(outer: Node, inner: Alias): boolean {
  const range = outer.range;
  const offset = inner.range?.[0];
  if (!range || offset === undefined) return false;
  return range[0] <= offset && offset < range[1];
}

function firstAlias(document: Document.Parsed): number {
  let first = 0;
  visit(document, {
    Alias(_key, alias) {
      first = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return first;
}

interface Step {
  key: Node | undefined;
  value: Node | undefined;
}

function positionsOf(
  file: string,
  document: Document<ParsedNode>,
  places: LinePlaces,
): SourcePositions {
  const follow = (path: Path): { steps: Step[]; complete: boolean } => {
    let node: Node | undefined = document.contents ?? undefined;
    const steps: Step[] = [{ key: undefined, value: node }];
    for (const key of path) {
      if (isAlias(node)) node = node.resolve(document);
      const step = child(node, key);
      if (step === undefined) return { steps, complete: false };
      steps.push(step);
      node = step.value;
    }
    return { steps, complete: true };
  };
  return {
    file,
    at(path, part = 'value') {
      const { steps, complete } = follow(path);
      const { key, value } = steps.at(-1) as Step;
      const isText = isScalar(value) && value.value !== null;
      const node = key === undefined || (isText && part === 'value' && complete) ? value : key;
      return places.at(node?.range?.[0] ?? 0);
    },
    has: (path) => follow(path).complete,
  };
}

function child(node: Node | undefined, key: string | number): Step | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)] as Node | undefined;
    return item === undefined ? undefined : { key: undefined, value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.findLast(
    (item: Pair) => isScalar(item.key) && String(item.key.value) === String(key),
  ) as Pair<Node, Node | null> | undefined;
  return pair === undefined ? undefined : { key: pair.key, value: pair.value ?? undefined };
}
