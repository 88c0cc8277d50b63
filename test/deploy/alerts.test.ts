import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { missing, run, scratchFolder } from '../scenario/programs.js';
import { readRules, RULES_FILE } from './alert-rules.js';

/* That the series exist which the rules ask for is seen in test/scenario/metrics.test.ts. */

test('each alert says what is wrong, what to do, and which section of the README has more', () => {
  const readme = readFileSync('README.md', 'utf8');
  const sections = new Set([...readme.matchAll(/^### (.+)$/gm)].map(([, name]) => name));
  const rules = readRules();
  assert.ok(rules.length >= 12);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity, /^(warning|critical)$/, alert);
    assert.match(annotations.summary, /^\{\{ \$labels\.instance \}\}/, alert);
    const section = /README,\s+Runbook:\s+"([^"]+)"\.\s*$/.exec(annotations.description)?.[1];
    assert.ok(sections.has(section ?? ''), `${alert} names ${section}`);
    assert.ok(readme.includes(`\`${alert}\``), `${alert} is not in the README`);
  }
});

test('the scrape configuration leads to the metrics, with the token from a file', () => {
  const { rule_files: ruleFiles, scrape_configs: jobs } = parse(
    readFileSync('scripts/deploy/prometheus.yaml', 'utf8'),
  ) as { rule_files: string[]; scrape_configs: Array<Record<string, unknown>> };
  assert.deepEqual(ruleFiles, [path.basename(RULES_FILE)]);
  const [job] = jobs;
  assert.equal(job?.['metrics_path'], '/metrics');
  const { type, ...rest } = job['authorization'] as Record<string, string>;
  assert.deepEqual([type, Object.keys(rest)], ['Bearer', ['credentials_file']]);
  // The alert for a node that is down names the job.
  const down = readRules().find(({ expr }) => expr.startsWith('up{'));
  assert.ok(down?.expr.includes(`job="${String(job['job_name'])}"`));
});

test(
  'promtool finds no fault with the rules, and they fire when they have to',
  { skip: missing('promtool') },
  async (t) => {
    const folder = await scratchFolder(t);
    copyFileSync(RULES_FILE, path.join(folder, path.basename(RULES_FILE)));
    copyFileSync('test/deploy/alerts.promtool.yaml', path.join(folder, 'tests.yaml'));
    const checked = await run('promtool', ['check', 'rules', RULES_FILE]);
    assert.equal(checked.code, 0, checked.stderr);
    const tested = await run('promtool', ['test', 'rules', 'tests.yaml'], { cwd: folder });
    assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  },
);
