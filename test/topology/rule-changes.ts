import assert from 'node:assert/strict';
import { soundBut } from './topology-files.js';

/* What the topologies of `rule-pairs.ts` are made with. */

/** A text, and what takes its place. */
export type Change = [string, string];

export const NO_SINK: Change = ['sinks:\n  mx: { port: 2527 }', 'sinks: {}'];
export const SPARE: Change = [
  '  mx: { port: 2527 }',
  '  mx: { port: 2527 }\n  spare: { port: 2528 }',
];
export const NO_LOGIN: Change[] = [
  ['  edge-core: { generate: true }\n', ''],
  ['username: edge, password: { secret: edge-core } ', ''],
  ['    smarthost: mx', '    relay-from: [127.0.0.1]\n    smarthost: mx'],
];
/** A link that logs in otherwise needs no secret. */
export const EDGE_SECRET: Change = ['  edge-core: { generate: true }\n', ''];
export const LINK_LOGIN = 'username: edge, password: { secret: edge-core } ';

export function but(text: string, ...changes: Change[]): string {
  let changed = text;
  for (const [from, to] of changes) {
    assert.ok(changed.includes(from), from);
    changed = changed.replace(from, () => to);
  }
  return changed;
}

/** The sound topology with these lines in `core`, from line 16 on, before or as its smarthost. */
export function core(...lines: string[]): string {
  const own = lines.some((line) => line.startsWith('smarthost:')) ? [] : ['smarthost: mx'];
  return soundBut([
    '    smarthost: mx\n',
    [...lines, ...own].map((line) => `    ${line}\n`).join(''),
  ]);
}

export function secretBefore(comment: string, name = 'spare'): string {
  return soundBut(['  app:', `${comment}\n  ${name}: { generate: true }\n  app:`]);
}

/** So many nodes in a row. */
export function chain(nodes: number): string {
  const entries = Array.from({ length: nodes }, (_, at) => {
    const next = at + 1 === nodes ? 'mx' : `n${at + 2}`;
    return `  n${at + 1}: { listen: [{ port: auto }], relay-from: [127.0.0.1], smarthost: ${next} }\n`;
  });
  return `version: 1\nname: mesh\nnodes:\n${entries.join('')}sinks: { mx: { port: auto } }\n`;
}

export const U = 'username: u, password: { secret: app }';
export const RATED: Change = [
  'smarthost: core',
  'smarthost: { hostname: core, max-messages-per-minute: 9 }',
];

/** The sound topology with these spools, and these lines in `core` from line 18 on. */
export function shared(edge: string, ofCore: string, ...lines: string[]): string {
  const named = ['rabbit', 'hare'].filter((name) => `${edge} ${ofCore}`.includes(name));
  return but(
    core(`spool: { ${ofCore} }`, ...lines),
    ['    smarthost: core\n', `    smarthost: core\n    spool: { ${edge} }\n`],
    ['sinks:', `brokers:\n${named.map((name) => `  ${name}: { port: auto }\n`).join('')}sinks:`],
  );
}
