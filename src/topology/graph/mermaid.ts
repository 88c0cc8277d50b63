import type { Bundle, Drawing, DrawnNode, Line } from './bundle.js';
import type { GraphNodeKind } from './model.js';

const ARROWS: Readonly<Record<Bundle['style'], string>> = {
  solid: '-->',
  dashed: '-.->',
  dotted: '-.->',
};

/** Brackets that give the form of a box. */
const FORMS: Readonly<Record<GraphNodeKind, readonly [string, string]>> = {
  users: ['([', '])'],
  network: ['([', '])'],
  node: ['[', ']'],
  sink: ['[(', ')]'],
  host: ['([', '])'],
  mx: ['([', '])'],
  unknown: ['{{', '}}'],
};

/**
 * A Mermaid flowchart, left to right. Mermaid places the boxes by itself; edges that lead back are
 * written after the others, so that the tiers come out the same.
 */
export function renderMermaid({ title, nodes, bundles }: Drawing): string {
  const ids = new Map(nodes.map(({ node }, at) => [node, `n${at}`]));
  const edges = bundles.toSorted((a, b) => Number(a.backward) - Number(b.backward));
  const cycles = edges.flatMap(({ cycle }, at) => (cycle ? [at] : []));
  const parts = [
    `%% ${title.replaceAll(/[^\x20-\x7e]|[{}]/g, '?')}`,
    'flowchart LR',
    ...nodes.map((drawn) => `  ${ids.get(drawn.node)}${boxText(drawn)}`),
    ...edges.map(({ from, to, style, lines }) => {
      const label = lines.length === 0 ? '' : `|"${joined(lines)}"|`;
      return `  ${ids.get(from)} ${ARROWS[style]}${label} ${ids.get(to)}`;
    }),
    '  classDef node stroke:#3f6fd0',
    '  classDef sink stroke:#5a9a70',
    '  classDef cycle stroke:#c0262d',
    '  classDef unreachable stroke:#c0262d,stroke-dasharray:5 3',
    ...classLines(nodes, ids),
    ...(cycles.length === 0 ? [] : [`  linkStyle ${cycles.join(',')} stroke:#c0262d`]),
  ];
  return `${parts.join('\n')}\n`;
}

function boxText({ node, lines }: DrawnNode): string {
  const [open, close] = FORMS[node.kind];
  const rest = lines.length === 0 ? '' : `<br/>${joined(lines)}`;
  return `${open}"${escapeMermaid(node.name)}${rest}"${close}`;
}

function classLines(
  nodes: readonly DrawnNode[],
  ids: ReadonlyMap<DrawnNode['node'], string>,
): string[] {
  const members = (test: (drawn: DrawnNode) => boolean): string =>
    nodes
      .filter(test)
      .map(({ node }) => ids.get(node))
      .join(',');
  const classes = [
    ['node', members(({ node }) => node.kind === 'node' && !node.cycle)],
    ['sink', members(({ node }) => node.kind === 'sink')],
    ['cycle', members(({ node }) => node.cycle)],
    ['unreachable', members(({ unreachable }) => unreachable)],
  ] as const;
  return classes.flatMap(([name, of]) => (of === '' ? [] : [`  class ${of} ${name}`]));
}

function joined(lines: readonly Line[]): string {
  return lines.map(({ text }) => escapeMermaid(text)).join('<br/>');
}

/**
 * Text that can stand between quotes. Everything that Mermaid or the HTML of its labels could take
 * for more than text is written by its number, in Mermaid's own form of a character reference.
 */
export function escapeMermaid(text: string): string {
  return text
    .replaceAll(/\p{Cs}/gu, '\uFFFD')
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/[^\p{L}\p{N} .,:()+=/@·_…?!-]/gu, (character) => `#${character.codePointAt(0)};`);
}
