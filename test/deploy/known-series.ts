import assert from 'node:assert/strict';
import type { Scraped } from './exposition.js';
import { readPromql } from './promql.js';

/** What Prometheus adds to every series, and the series that it makes itself. */
const TARGET_LABELS = ['job', 'instance'];
const OF_PROMETHEUS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['up', new Set<string>()],
]);

/** Fails for a name or a label in an expression that no scrape has. */
export function assertKnown(expression: string, scraped: ReadonlyMap<string, Scraped>): void {
  const known = seriesOf(scraped);
  const { selectors, grouping } = readPromql(expression);
  const labels = new Set(TARGET_LABELS);
  for (const { name, labels: selected } of selectors) {
    const its = known.get(name) ?? OF_PROMETHEUS.get(name);
    assert.ok(its !== undefined, `there is no series ${name}: ${expression}`);
    for (const label of selected) {
      const exists = its.has(label) || TARGET_LABELS.includes(label);
      assert.ok(exists, `${name} has no label ${label}: ${expression}`);
    }
    its.forEach((label) => labels.add(label));
  }
  for (const label of grouping) {
    assert.ok(labels.has(label), `nothing there has a label ${label}: ${expression}`);
  }
}

function seriesOf(scraped: ReadonlyMap<string, Scraped>): Map<string, Set<string>> {
  const known = new Map<string, Set<string>>();
  for (const { samples } of scraped.values()) {
    for (const { name, labels } of samples) {
      const its = known.get(name) ?? new Set<string>();
      known.set(name, its);
      Object.keys(labels).forEach((label) => its.add(label));
    }
  }
  return known;
}
