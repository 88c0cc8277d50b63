import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { METRICS } from '../../src/node-metric-list.js';
import { RABBITMQ_METRICS } from '../../src/node-metrics-rabbitmq.js';
import { TIER } from '../../src/node-tier-metrics.js';
import { readRules } from '../deploy/alert-rules.js';
import { readExposition, type Scraped } from '../deploy/exposition.js';
import { assertKnown } from '../deploy/known-series.js';
import { Dialogue } from '../intake/dialogue.js';
import { submit } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const TOPOLOGY = `version: 1
name: metered
secrets:
  app: { generate: true }
  link: { generate: true }
tls: { ephemeral: true }
nodes:
  edge:
    listen:
      - { name: submission, port: auto, tls: required }
      - { name: relay, port: auto }
    api: { port: auto }
    users: [{ username: app, password: { secret: app } }]
    relay-from: [127.0.0.1/32]
    routes:
      - { recipient: "*@down.test", smarthost: { hostname: 127.0.0.1, port: 1, tls: none } }
    smarthost: core
  core:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: core, username: edge, password: { secret: link }, tls: verified }
sinks: { mx: { port: auto } }
`;
/** Of nodes that share their mail, or have queues, at a RabbitMQ; this one does neither. */
const AT_BROKERS = [...TIER, ...RABBITMQ_METRICS];
const DOWN = '127.0.0.1:1';
const RAW = Buffer.from('Subject: metered\r\n\r\nx\r\n');

const mail = (recipient: string) => ({
  sender: 'a@client.test',
  recipients: [recipient],
  raw: RAW,
});

async function scrape(topology: RunningTopology, node: string): Promise<Map<string, Scraped>> {
  return readExposition(await topology.api(node).metrics());
}

/** The sum of the samples of a series that have these labels; null where there is none. */
function valueOf(
  scraped: ReadonlyMap<string, Scraped>,
  name: string,
  labels: Record<string, string> = {},
): number | null {
  const metric = scraped.get(`relaymesh_${name.replace(/_(bucket|sum|count)$/, '')}`);
  const fitting = (metric ?? scraped.get(`relaymesh_${name}`))?.samples.filter(
    (sample) =>
      sample.name === `relaymesh_${name}` &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return fitting === undefined || fitting.length === 0
    ? null
    : fitting.reduce((sum, { value }) => sum + value, 0);
}

/** Mail that arrives, mail that cannot, a login that is refused, a recipient that is refused. */
async function makeTraffic(topology: RunningTopology): Promise<void> {
  const submission = await topology.submission('edge');
  await submit(submission, mail('well@x.test'));
  await submit(topology.relay('edge'), mail('waits@down.test'));
  const user = { username: 'app', password: 'a-wrong-password' };
  await assert.rejects(submit({ ...submission, user }, mail('never@x.test')));
  const client = await Dialogue.open(topology.relay('edge').port);
  assert.match(await client.ask('MAIL FROM:<a@client.test> MAYBE=1'), /^555 /);
  assert.match(await client.ask('QUIT'), /^221 /);
  await until('the message at the sink', async () => {
    return (await topology.sink().messages()).length === 1;
  });
}

async function runMetered(t: TestContext) {
  const topology = await startTopology(t, TOPOLOGY);
  await makeTraffic(topology);
  const edge = await until('the attempts of edge', async () => {
    const scraped = await scrape(topology, 'edge');
    const done =
      valueOf(scraped, 'hop_faults', { hop: DOWN }) !== null &&
      valueOf(scraped, 'recipients_total', { action: 'transferred' }) === 1 &&
      valueOf(scraped, 'trace_records_unwritten') === 0;
    return done ? scraped : null;
  });
  return { topology, edge };
}

test('what passed a node is in its metrics, and alerts and dashboard ask for what is there', async (t) => {
  const { topology, edge } = await runMetered(t);

  await t.test('each metric of the list is there with its type and its labels', () => {
    for (const { name, type, help, labels } of METRICS) {
      const metric = edge.get(`relaymesh_${name}`);
      assert.deepEqual([metric?.type, metric?.help], [type, help], name);
      if (AT_BROKERS.some((one) => one.name === name)) {
        assert.deepEqual(metric?.samples, [], `${name} without a broker`);
        continue;
      }
      const sample = metric?.samples[0] ?? assert.fail(`${name} has no sample`);
      const own = Object.keys(sample.labels).filter((label) => label !== 'le');
      assert.deepEqual(own.sort(), [...labels].sort(), name);
    }
  });

  await t.test('the figures are those of the mail', () => {
    const expected: Array<[name: string, labels: Record<string, string>, value: number]> = [
      ['messages_accepted_total', { listener: 'submission', protocol: 'ESMTPSA' }, 1],
      ['messages_accepted_total', { listener: 'relay', protocol: 'ESMTP' }, 1],
      ['recipients_accepted_total', { listener: 'submission' }, 1],
      ['logins_total', { listener: 'submission', result: 'accepted' }, 1],
      ['logins_total', { listener: 'submission', result: 'refused' }, 1],
      ['intake_tls_sessions_total', { listener: 'submission', version: 'TLSv1.3' }, 2],
      ['intake_sessions_total', { listener: 'relay' }, 2],
      ['intake_refusals_total', { listener: 'submission', code: '535' }, 1],
      ['intake_refusals_total', { listener: 'relay', code: '555' }, 1],
      ['attempts_total', { hop: 'core', state: 'message', result: 'accepted' }, 1],
      ['attempt_duration_seconds_count', { hop: 'core' }, 1],
      ['attempt_phase_duration_seconds_count', { phase: 'auth' }, 1],
      ['hop_tls_sessions_total', { hop: 'core', version: 'TLSv1.3' }, 1],
      ['message_queue_duration_seconds_count', {}, 1],
      ['recipients_total', { action: 'delayed' }, 1],
      ['queue_depth', { hop: DOWN, state: 'ready' }, 1],
      ['queue_depth', { hop: 'core' }, 0],
      ['hop_faults', { hop: DOWN, state: 'connect' }, 1],
      ['messages_queued', {}, 1],
      ['ready', {}, 1],
      ['last_reload_success', {}, 1],
    ];
    for (const [name, labels, value] of expected) {
      assert.equal(valueOf(edge, name, labels), value, `${name} ${JSON.stringify(labels)}`);
    }
    assert.ok((valueOf(edge, 'queue_oldest_age_seconds', { hop: DOWN }) ?? -1) >= 0);
    const expiry = valueOf(edge, 'certificate_expiry_timestamp_seconds', {
      used_by: 'listener submission',
    });
    assert.ok((expiry ?? 0) > Date.now() / 1000);
  });

  await t.test('buckets grow to the number of observations', () => {
    for (const { type, samples } of edge.values()) {
      if (type !== 'histogram') continue;
      const counts = new Map<string, number>();
      for (const { name, labels, value } of samples) {
        const { le, ...rest } = labels;
        const key = JSON.stringify(rest);
        if (name.endsWith('_bucket')) {
          assert.ok(value >= (counts.get(key) ?? 0), `${name} ${le}`);
          counts.set(key, value);
        } else if (name.endsWith('_count')) {
          assert.equal(counts.get(key), value, name);
        }
      }
    }
  });

  await t.test('every name begins with ours, and no address stands in a label', () => {
    for (const [name, { samples }] of edge) {
      assert.match(name, /^relaymesh_/);
      for (const { labels } of samples) {
        assert.ok(!/@|x\.test|client\.test/.test(Object.values(labels).join(' ')), name);
      }
    }
  });

  await t.test('a scrape without the token is refused', async () => {
    assert.equal((await fetch(`${topology.node('edge').api}/metrics`)).status, 401);
  });

  await t.test('the alerts ask for what is there', () => {
    for (const { expr } of readRules()) assertKnown(expr, withBrokers(edge));
  });

  await t.test('the dashboard asks for what is there', () => {
    const expressions = dashboardExpressions();
    assert.ok(expressions.length > 50);
    for (const expression of expressions) assertKnown(expression, withBrokers(edge));
  });

  await t.test('every metric of ours is on the dashboard or in an alert', () => {
    const asked = [...dashboardExpressions(), ...readRules().map(({ expr }) => expr)].join('\n');
    const unasked = METRICS.filter(({ name }) => !asked.includes(`relaymesh_${name}`));
    assert.deepEqual(
      unasked.map(({ name }) => name),
      [],
    );
  });
});

/** With the series that a node at a RabbitMQ has besides. */
function withBrokers(scraped: ReadonlyMap<string, Scraped>): Map<string, Scraped> {
  const ofBrokers = AT_BROKERS.map(({ name: shortName, type, help, labels }): [string, Scraped] => {
    const name = `relaymesh_${shortName}`;
    const sample = {
      name,
      labels: Object.fromEntries(labels.map((label) => [label, ''])),
      value: 0,
    };
    return [name, { type, help, samples: [sample] }];
  });
  return new Map([...scraped, ...ofBrokers]);
}

/** With values for the variables of Grafana. */
function dashboardExpressions(): string[] {
  const found: string[] = [];
  const dashboard = readFileSync('scripts/deploy/grafana-dashboard.json', 'utf8');
  JSON.parse(dashboard, (key, value: unknown) => {
    if (key === 'expr') found.push(String(value));
    return value;
  });
  return found.map((expression) => expression.replaceAll(/\$__(rate_)?interval/g, '5m'));
}
