import { drawingOf } from './bundle.js';
import { renderDot } from './dot.js';
import type { LiveFacts } from './live.js';
import { renderMermaid } from './mermaid.js';
import type { TopologyGraph } from './model.js';
import { renderSvg } from './svg.js';

export const GRAPH_FORMATS = ['mermaid', 'dot', 'svg', 'json'] as const;

export type GraphFormat = (typeof GRAPH_FORMATS)[number];

/** @param live What a running topology tells, null when it was not asked. */
export function renderGraph(
  graph: TopologyGraph,
  format: GraphFormat,
  live: LiveFacts | null,
): string {
  switch (format) {
    case 'mermaid':
      return renderMermaid(drawingOf(graph, live));
    case 'dot':
      return renderDot(drawingOf(graph, live));
    case 'svg':
      return renderSvg(drawingOf(graph, live));
    case 'json':
      return `${JSON.stringify({ ...graph, live }, null, 2)}\n`;
  }
}
