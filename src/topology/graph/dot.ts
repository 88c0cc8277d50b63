import type { Bundle, Drawing, DrawnNode } from './bundle.js';
import type { GraphNodeKind } from './model.js';

const SHAPES: Readonly<Record<GraphNodeKind, string>> = {
  users: 'shape=box, style="rounded,filled", fillcolor="#f3f4f6", color="#7b8794"',
  network: 'shape=box, style="rounded,filled", fillcolor="#f3f4f6", color="#7b8794"',
  node: 'shape=box, style=filled, fillcolor="#eaf1fd", color="#3f6fd0"',
  sink: 'shape=box, style="rounded,filled", fillcolor="#f0f8f2", color="#5a9a70"',
  host: 'shape=box, style="rounded,filled", fillcolor="#f0f8f2", color="#5a9a70"',
  mx: 'shape=box, style="rounded,filled", fillcolor="#f0f8f2", color="#5a9a70"',
  unknown: 'shape=box, style=dashed, color="#c0262d"',
};

/** A graph for Graphviz, with the tiers of the topology as its ranks. */
export function renderDot({ title, nodes, bundles }: Drawing): string {
  const tiers = new Map<number, DrawnNode[]>();
  for (const drawn of nodes) {
    tiers.set(drawn.node.tier, [...(tiers.get(drawn.node.tier) ?? []), drawn]);
  }
  const ranks = [...tiers.entries()].sort(([a], [b]) => a - b);
  const parts = [
    'digraph {',
    '  rankdir=LR;',
    `  label=${quoted([title])}; labelloc=t; fontname="sans-serif";`,
    '  node [fontname="sans-serif", fontsize=11];',
    '  edge [fontname="sans-serif", fontsize=9];',
    ...ranks.flatMap(([, members]) => [
      '  {',
      '    rank=same;',
      ...members.map((drawn) => `    ${nodeLine(drawn)}`),
      '  }',
    ]),
    ...bundles.map((bundle) => `  ${edgeLine(bundle)}`),
    '}',
  ];
  return `${parts.join('\n')}\n`;
}

function nodeLine({ node, lines, unreachable }: DrawnNode): string {
  const label = quoted([node.name, ...lines.map(({ text }) => text)]);
  const mark = node.cycle || unreachable ? ', color="#c0262d"' : '';
  return `${quoted([node.id])} [label=${label}, ${SHAPES[node.kind]}${mark}];`;
}

function edgeLine({ from, to, style, cycle, backward, lines }: Bundle): string {
  const attributes = [`label=${quoted(lines.map(({ text }) => text))}`];
  if (style !== 'solid') attributes.push(`style=${style}`);
  if (cycle) attributes.push('color="#c0262d"');
  // an edge that leads back must not push its end behind its start
  if (backward) attributes.push('constraint=false');
  return `${quoted([from.id])} -> ${quoted([to.id])} [${attributes.join(', ')}];`;
}

/** Lines of text as one quoted string; in it `\` begins an escape, and `&` a character reference. */
export function quoted(lines: readonly string[]): string {
  const texts = lines.map((line) =>
    line
      .replaceAll(/\p{Cs}/gu, '\uFFFD')
      .replaceAll(/\p{Cc}/gu, ' ')
      .replaceAll('&', '&amp;')
      .replaceAll('\\', '\\\\')
      .replaceAll('"', '\\"'),
  );
  return `"${texts.join('\\n')}"`;
}
