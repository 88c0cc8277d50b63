import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { codeOf } from '../../../src/base/errors.js';
import { quoted } from '../../../src/topology/graph/dot.js';
import type { LiveFacts } from '../../../src/topology/graph/live.js';
import { escapeMermaid } from '../../../src/topology/graph/mermaid.js';
import type { TopologyGraph } from '../../../src/topology/graph/model.js';
import {
  GRAPH_FORMATS,
  renderGraph,
  type GraphFormat,
} from '../../../src/topology/graph/render.js';
import { missing } from '../../scenario/programs.js';
import { goldenFile, graphOf, graphOfText, shippedText } from './drawing.js';
import { MESH_OF_TWELVE } from './meshes.js';

/*
 * The forms of a picture: `test/golden/graph-NAME.*`. After a change that is meant:
 * `UPDATE_GOLDEN=1 node --test dist/test/topology/graph/render.test.js`, and look at the pictures.
 */

const ENDINGS: Readonly<Record<GraphFormat, string>> = {
  mermaid: 'mmd',
  dot: 'dot',
  svg: 'svg',
  json: 'json',
};

const TOPOLOGIES: Readonly<Record<string, () => string>> = {
  failover: () => shippedText('failover'),
  'eight-hops': () => shippedText('eight-hops'),
  'mesh-of-twelve': () => MESH_OF_TWELVE,
};

for (const [name, text] of Object.entries(TOPOLOGIES)) {
  for (const format of GRAPH_FORMATS) {
    test(`${name} as ${format}`, () => {
      const file = goldenFile(`graph-${name}.${ENDINGS[format]}`);
      const made = renderGraph(graphOfText(text()), format, null);
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, made);
      assert.equal(made, readFileSync(file, 'utf8'));
    });
  }
}

const NASTY = `</text><script>alert(1)</script>"'&]]>--> %% \`x\` \\n #quot; | {a} \u0007\u202e`;

/** A graph in which every text that somebody else may write is nasty. */
function nastyGraph(): TopologyGraph {
  const password = { secret: 'app' };
  return graphOf(
    {
      edge: {
        users: [{ username: NASTY, password }],
        routes: [{ sender: NASTY, smarthost: 'mx' }],
        smarthost: 'mx',
      },
    },
    { secrets: { app: { env: 'APP' } }, sinks: { mx: { port: 'auto' } } },
  );
}

function liveFacts(fault: string): LiveFacts {
  return {
    asked_at: '2026-03-01T12:00:00.000Z',
    window_seconds: 60,
    nodes: [
      { id: 'node:edge', reachable: true, reason: null, quarantined: 2, elsewhere: 0 },
      { id: 'node:core', reachable: false, reason: fault, quarantined: 0, elsewhere: 0 },
    ],
    flows: [
      {
        from: 'node:edge',
        to: 'sink:mx',
        queues: ['(smarthost)'],
        ready: 3,
        sending: 1,
        deferred: 4,
        held: 0,
        delivered_per_minute: 12,
        state: 'backoff',
        last_fault: {
          stage: 'rcpt',
          code: 451,
          enhanced_code: '4.7.1',
          description: fault,
          at: '2026-03-01T11:59:00.000Z',
        },
      },
    ],
  };
}

/** Elements, attributes and text of a document, which must be well-formed. */
function elementsOf(xml: string): { names: string[]; text: string } {
  const names: string[] = [];
  const open: string[] = [];
  const token = /<(\/?)([a-zA-Z]+)((?:\s[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y;
  let text = '';
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex;
    const found = token.exec(xml);
    assert.ok(found !== null, `not well-formed at ${xml.slice(at, at + 60)}`);
    const [, closing, name = '', attributes = '', empty, words] = found;
    if (words !== undefined) {
      assert.ok(!/&(?!(?:amp|lt|gt|quot|#39);)/.test(words), words);
      text += words;
    } else if (closing === '/') {
      assert.equal(open.pop(), name);
    } else {
      assert.ok(!/&(?!(?:amp|lt|gt|quot|#39);)/.test(attributes), attributes);
      names.push(name);
      if (empty !== '/') open.push(name);
    }
  }
  assert.deepEqual(open, []);
  return { names, text };
}

test('an SVG is well-formed whatever stands in the file, and has no script and nothing to load', () => {
  const svg = renderGraph(nastyGraph(), 'svg', liveFacts(NASTY));
  const { names, text } = elementsOf(svg);
  const used = ['svg', 'title', 'desc', 'style', 'rect', 'text', 'g', 'path'];
  assert.deepEqual(
    [...new Set(names)].filter((name) => !used.includes(name)),
    [],
  );
  assert.ok(text.includes('&lt;script&gt;'));
  assert.doesNotMatch(svg, /href|url\(|@import|\son\w+=/);
});

test('an SVG tells its content to those who do not see it, and knows light and dark', () => {
  const svg = renderGraph(graphOfText(shippedText('failover')), 'svg', null);
  assert.match(svg, /role="img" aria-labelledby="title desc"/);
  assert.match(svg, /<title id="title">Topology failover<\/title>/);
  assert.match(svg, /<desc id="desc">[^<]*edge to reserve: failover 1; TLS verified; login\./);
  assert.match(svg, /@media \(prefers-color-scheme:dark\)/);
});

test('in Mermaid everything that means something stands as its number', () => {
  assert.equal(
    escapeMermaid('a"b#c;<d>&`e`|{f}[g]'),
    'a#34;b#35;c#59;#60;d#62;#38;#96;e#96;#124;#123;f#125;#91;g#93;',
  );
  const mermaid = renderGraph(nastyGraph(), 'mermaid', liveFacts(NASTY));
  for (const line of mermaid.split('\n').slice(2)) {
    const label = /"(.*)"/.exec(line)?.[1] ?? '';
    assert.doesNotMatch(label.replaceAll('<br/>', ''), /["<>`|{}\\]|&/, line);
  }
});

test('no label of Mermaid begins like a list, which it would not show', () => {
  const mermaid = renderGraph(graphOfText(MESH_OF_TWELVE), 'mermaid', null);
  assert.doesNotMatch(mermaid, /(?:"|<br\/>)(?:\d+[.)]|[-+*]) /);
});

test('a string of Graphviz ends where it should, whatever is in it', () => {
  assert.equal(quoted(['a\\"b', 'c\\n&lt;']), '"a\\\\\\"b\\nc\\\\n&amp;lt;"');
});

test('Graphviz takes what is made for it', { skip: missing('dot') }, () => {
  for (const graph of [nastyGraph(), graphOfText(MESH_OF_TWELVE)]) {
    const dot = renderGraph(graph, 'dot', liveFacts(NASTY));
    const { status, stdout, stderr } = spawnSync('dot', ['-Tplain'], {
      input: dot,
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout.match(/^node /gm)?.length, graph.nodes.length);
  }
});

test('rates, depths and faults of a running topology stand on the edge, in all forms', () => {
  const graph = graphOf(
    {
      edge: {
        'relay-from': ['127.0.0.1/32'],
        routes: [{ tag: 'x', smarthost: 'core' }],
        smarthost: 'mx',
      },
      core: { smarthost: 'mx' },
    },
    { sinks: { mx: { port: 'auto' } } },
  );
  const live = liveFacts('try again later');
  for (const format of ['mermaid', 'dot', 'svg'] as const) {
    const text = renderGraph(graph, format, live);
    assert.match(text, /12\/min · 7 waiting · 4 of them deferred · 1 being sent/, format);
    assert.match(text, /backoff/);
    assert.match(text, /451 4\.7\.1 try again later/);
    assert.match(text, /2 in quarantine/);
    assert.match(text, /unreachable/);
  }
  const json = JSON.parse(renderGraph(graph, 'json', live)) as { live: LiveFacts };
  assert.deepEqual(json.live, live);
});

test('a picture that nobody could read is refused, with what to do instead', () => {
  const names = Array.from({ length: 300 }, (_, at) => `n${at}`);
  const nodes = Object.fromEntries(
    names.map((name, at) => [
      name,
      { routes: [{ tag: 'x', smarthost: 'mx' }], smarthost: names[at + 1] ?? 'mx' },
    ]),
  );
  const graph = graphOf(nodes, { sinks: { mx: { port: 'auto' } } });
  assert.throws(
    () => renderGraph(graph, 'svg', null),
    (error) => codeOf(error) === 'GRAPH_TOO_LARGE',
  );
  assert.ok(renderGraph(graph, 'dot', null).length > 0);
});
