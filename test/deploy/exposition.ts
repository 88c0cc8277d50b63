import assert from 'node:assert/strict';

/** What a scrape says of one metric. */
export interface Scraped {
  type: string;
  help: string;
  samples: Array<{ name: string; labels: Record<string, string>; value: number }>;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** Reads the text format of Prometheus 0.0.4; fails for a line that is none of it. */
export function readExposition(text: string): Map<string, Scraped> {
  const metrics = new Map<string, Scraped>();
  let current: Scraped | null = null;
  let currentName = '';
  for (const line of text.split('\n')) {
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (help !== null) {
      currentName = help[1] as string;
      assert.ok(!metrics.has(currentName), `${currentName} comes twice`);
      current = { type: '', help: help[2] as string, samples: [] };
      metrics.set(currentName, current);
    } else if (type !== null) {
      assert.equal(type[1], currentName);
      (current as Scraped).type = type[2] as string;
    } else if (line !== '') {
      const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? assert.fail(line);
      const suffix = name.slice(currentName.length);
      assert.ok(name.startsWith(currentName) && /^(_bucket|_sum|_count)?$/.test(suffix), line);
      current?.samples.push({ name, labels: readLabels(labels), value: numberOf(value, line) });
    }
  }
  return metrics;
}

function readLabels(text: string): Record<string, string> {
  const found = [...text.matchAll(LABEL)];
  assert.equal(found.map(([whole]) => whole).join(''), text);
  return Object.fromEntries(found.map(([, name, value]) => [name as string, value as string]));
}

function numberOf(text: string, line: string): number {
  if (text === '+Inf') return Infinity;
  if (/^nan$/i.test(text)) return NaN;
  assert.ok(text !== '' && Number.isFinite(Number(text)), line);
  return Number(text);
}
