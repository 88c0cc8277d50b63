import assert from 'node:assert/strict';
import { parser } from '@prometheus-io/lezer-promql';

/** What an expression asks for. */
export interface Asked {
  /** Names of series, each with the labels that it is selected by. */
  selectors: Array<{ name: string; labels: string[] }>;
  /** Labels that results are grouped or matched by. */
  grouping: string[];
}

/** Reads a PromQL expression; fails where the grammar of Prometheus does. */
export function readPromql(expression: string): Asked {
  const asked: Asked = { selectors: [], grouping: [] };
  const textOf = (node: { from: number; to: number }): string =>
    expression.slice(node.from, node.to);
  const inside: string[] = [];
  parser.parse(expression).iterate({
    enter: (node) => {
      assert.ok(!node.type.isError, `${expression}\nat ${node.from}: ${textOf(node)}`);
      if (node.name === 'VectorSelector') {
        asked.selectors.push({ name: '', labels: [] });
      } else if (node.name === 'Identifier' && inside.at(-1) === 'VectorSelector') {
        (asked.selectors.at(-1) as { name: string }).name = textOf(node);
      } else if (node.name === 'LabelName') {
        const isGrouping = inside.at(-1) === 'GroupingLabels';
        const labels = isGrouping ? asked.grouping : (asked.selectors.at(-1)?.labels ?? []);
        labels.push(textOf(node));
      }
      inside.push(node.name);
    },
    leave: () => {
      inside.pop();
    },
  });
  assert.ok(asked.selectors.length > 0, `${expression} asks for nothing`);
  return asked;
}
