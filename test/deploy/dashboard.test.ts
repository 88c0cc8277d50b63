import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/* That the series exist which it asks for is seen in test/scenario/metrics.test.ts. */

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { type: string; uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Array<{ refId: string; expr: string }>;
}

const dashboard = JSON.parse(readFileSync('scripts/deploy/grafana-dashboard.json', 'utf8')) as {
  uid: string;
  templating: { list: Array<{ name: string }> };
  panels: Panel[];
};
const { panels } = dashboard;

test('its rows are those of an operator, in the order of the way of a message', () => {
  assert.deepEqual(
    panels.filter(({ type }) => type === 'row').map(({ title }) => title),
    ['Flow', 'Queues', 'Hops', 'Latencies', 'Node', 'Disk', 'Trace', 'Tier', 'MailerQ'],
  );
});

test('panels fill the width, and none lies on another', () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const place = `${column} ${line}`;
        assert.equal(taken.get(place), undefined, title);
        taken.set(place, title);
      }
    }
  }
  const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
  assert.equal(taken.size, height * 24);
});

test('every panel says what it shows, and asks the data source that was chosen', () => {
  const ids = new Set(panels.map(({ id }) => id));
  assert.equal(ids.size, panels.length);
  for (const { type, title, description, datasource, targets } of panels) {
    if (type === 'row') continue;
    assert.match(description ?? '', /\.$/, title);
    assert.deepEqual(datasource, { type: 'prometheus', uid: '${datasource}' }, title);
    const refs = targets?.map(({ refId }) => refId) ?? [];
    assert.ok(refs.length > 0 && new Set(refs).size === refs.length, title);
  }
});

test('every series is that of the nodes that were chosen', () => {
  assert.deepEqual(
    dashboard.templating.list.map(({ name }) => name),
    ['datasource', 'job', 'instance'],
  );
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) {
      const series = expr.match(/relaymesh_\w+/g) ?? [];
      const chosen = expr.match(/relaymesh_\w+\{job="\$job", instance=~"\$instance"[,}]/g) ?? [];
      assert.equal(chosen.length, series.length, `${title}: ${expr}`);
    }
  }
});
