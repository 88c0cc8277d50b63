import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { RecipientExplanation } from '../../src/cli/route-explain.js';
import { routeCommand } from '../../src/cli/route.js';
import { Router } from '../../src/route/router.js';
import { loadTopology } from '../../src/topology/load.js';
import { loadNodeSettings } from '../../src/topology/node-settings.js';
import { folderWith } from '../config/config-files.js';
import { startDnsServer } from '../route/dns-server.js';
import { allotment } from '../topology/topology-files.js';

const MESH = `version: 1
name: demo
secrets:
  esp: { env: ESP_KEY }
  edge-core: { file: edge-core.secret }
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    max-connections: 7
    users:
      - { username: app, password: { secret: esp }, may: [relay, steer], steer-to: [core, "127.0.0.9:2626"] }
      - { username: other, password: { secret: esp } }
    steer-to: ["192.0.2.7:25"]
    routes:
      - { recipient: "*@vip.example", user: app, smarthost: { hostname: esp.example, port: 587, username: me, password: { secret: esp }, preset: sendgrid } }
      - { sender: "*@bulk.example", size: ">5MB", smarthost: { pool: [{ to: core, weight: 3 }, { to: "b.example:25", weight: 1 }], failover: ["c.example:2525"] } }
      - { recipient: "*@example.com", attempts: ">=1", tag: [slow, late], mx: true }
      - { recipient: "*@example.com", smarthost: "d.example:25" }
    queues: [{ queue: "(smarthost) b.*", max-connections: 2 }]
    smarthost: core
  core:
    listen: [{ port: 2626 }]
    smarthost: mx
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: none, max-messages-per-minute: 60 }
sinks: { mx: { port: 2727 } }
`;

interface Ran {
  code: number | undefined;
  stdout: string;
  stderr: string;
}

async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ran> {
  const ran: Ran = { code: undefined, stdout: '', stderr: '' };
  const output = {
    stdout: (text: string) => (ran.stdout += text),
    stderr: (text: string) => (ran.stderr += text),
  };
  const command = routeCommand((code) => (ran.code = code), output, environment);
  command.exitOverride().configureOutput({ writeErr: output.stderr });
  await command.parseAsync(args, { from: 'user' });
  return ran;
}

function mesh(t: TestContext, text = MESH, more: Record<string, string> = {}): string {
  return join(folderWith(t, { 'mesh.yaml': text, ...more }), 'mesh.yaml');
}

async function explained(
  args: readonly string[],
  environment?: Record<string, string>,
): Promise<RecipientExplanation & { file: string }> {
  const { stdout, code } = await run([...args, '--json', '--no-dns'], environment);
  assert.equal(code, 0);
  const { recipients } = JSON.parse(stdout) as { recipients: RecipientExplanation[] };
  assert.equal(recipients.length, 1, stdout);
  return { ...(recipients[0] as RecipientExplanation), file: args[0] ?? '' };
}

const FROM = ['--node', 'edge', '--from', 'ann@a.example'];

test('the rule that fits is named by its place, with the first condition that fails of those before', async (t) => {
  const file = mesh(t);
  const { rule, decided_by, where, skipped } = await explained([
    file,
    ...FROM,
    '--to',
    'bob@example.com',
  ]);
  assert.deepEqual([rule, decided_by, where], [4, 'rule', `${file}:19:9`]);
  assert.deepEqual(
    skipped.map((one) => [one.rule, one.where, one.condition, one.wanted, one.given]),
    [
      [1, `${file}:16:9`, 'recipient', '*@vip.example', 'bob@example.com'],
      [2, `${file}:17:9`, 'sender', '*@bulk.example', 'ann@a.example'],
      [3, `${file}:18:9`, 'tag', 'slow or late', 'none'],
    ],
  );
});

test('user, size, tag, attempts and the null sender are taken into account', async (t) => {
  const file = mesh(t);
  const failing = async (...args: string[]) =>
    (await explained([file, '--node', 'edge', ...args])).skipped.map(
      ({ condition, given }) => `${condition}: ${given}`,
    );
  const vip = ['--from', '<>', '--to', 'bob@vip.example'];
  assert.equal((await failing(...vip))[0], 'user: none');
  assert.deepEqual(await failing(...vip, '--user', 'app'), []);
  assert.equal((await failing(...vip))[1], 'sender: <>');
  const bulk = ['--from', 'x@bulk.example', '--to', 'bob@example.com'];
  assert.equal((await failing(...bulk))[1], 'size: 10000 bytes');
  assert.equal((await failing(...bulk, '--size', '5000001')).length, 1);
  const slow = ['--from', 'a@b.example', '--to', 'bob@example.com', '--tag', 'x', '--tag', 'late'];
  assert.equal((await failing(...slow))[2], 'attempts: 0');
  assert.equal((await failing(...slow, '--attempts', '1')).length, 2);
});

test('the rows about replies of a hop are counted', async (t) => {
  const hop =
    '{ hostname: core, replies: [{ code: 554, action: pause }, { code: 5xx, action: retry }] }';
  const file = mesh(t, MESH.replace('smarthost: core\n', `smarthost: ${hop}\n`));
  const { hops } = await explained([file, ...FROM, '--to', 'bob@x.example']);
  assert.equal(hops[0]?.reply_rows, 2);
  const { stdout } = await run([file, ...FROM, '--to', 'bob@x.example', '--no-dns']);
  assert.match(stdout, /^Replies +2 rows before the common table$/m);
});

test('without a rule the smarthost is told, with link, login, trace and limits', async (t) => {
  const file = mesh(t);
  const { decided_by, where, hops } = await explained([file, ...FROM, '--to', 'bob@x.example']);
  assert.deepEqual([decided_by, where], ['smarthost', `${file}:21:16`]);
  const [hop] = hops;
  assert.deepEqual(
    [hop?.queue, hop?.next_hop, hop?.host, hop?.port, hop?.trace, hop?.tls.mode],
    ['(smarthost)', 'core', '127.0.0.1', 2626, 'envelope', 'none'],
  );
  assert.deepEqual(hop?.login, {
    username: 'edge',
    where: `${file}:26:39`,
    method: 'password',
    secret_from: `file ${join(file, '..', 'edge-core.secret')}`,
    secret_is_here: false,
  });
  assert.deepEqual(hop.capacity, {
    'max-connections': { value: 7, where: `${file}:10:22` },
    'max-messages-per-connection': { value: 100, where: 'built-in' },
    'max-messages-per-minute': { value: 60, where: `${file}:26:114` },
    'max-connects-per-minute': { value: null, where: 'no limit is set' },
    'idle-timeout': { value: 30, where: 'built-in' },
  });
});

test('a pool is told with the share of each member, and what comes after it', async (t) => {
  const file = mesh(t);
  const pool = ['--node', 'edge', '--from', 'x@bulk.example', '--to', 'a@b.example'];
  const { hops, failover } = await explained([file, ...pool, '--size', '6000000']);
  assert.deepEqual(
    hops.map(({ queue, share, login }) => [queue, share, login?.username ?? null]),
    [
      ['(smarthost)', 0.75, 'edge'],
      ['(smarthost) b.example:25', 0.25, null],
    ],
  );
  assert.deepEqual(hops[1]?.capacity['max-connections'], { value: 2, where: `${file}:20:59` });
  assert.deepEqual(
    failover.map(({ queue }) => queue),
    ['(smarthost) c.example:2525'],
  );
});

test('a preset is named as the source of a limit, and the name that a certificate must carry', async (t) => {
  const file = mesh(t);
  const { hops } = await explained([file, ...FROM, '--to', 'bob@vip.example', '--user', 'app']);
  const [hop] = hops;
  assert.match(
    hop?.capacity['max-messages-per-connection']?.where ?? '',
    /^preset sendgrid \(.*mesh\.yaml:16:\d+\)$/,
  );
  assert.deepEqual(hop?.tls, {
    mode: 'verified',
    implicit: false,
    certificate_name: 'esp.example',
  });
});

test('mail servers are looked up in their order, unless that is not wanted', async (t) => {
  const dns = await startDnsServer({
    'example.com': {
      MX: [
        [20, 'mx2.example.com'],
        [10, 'mx1.example.com'],
      ],
    },
    'mx1.example.com': { A: ['192.0.2.1'] },
    'mx2.example.com': { A: ['192.0.2.2'] },
  });
  t.after(() => dns.close());
  const text = `version: 1
name: demo
nodes: { edge: { listen: [{ port: 2525 }], relay-from: [127.0.0.1/32], dns-servers: ["${dns.address}"], mx-port: 2599 } }
`;
  const args = [mesh(t, text), ...FROM, '--to', 'bob@example.com', '--to', 'bob@none.example'];
  const { stdout } = await run([...args, '--json']);
  const { recipients } = JSON.parse(stdout) as { recipients: RecipientExplanation[] };
  assert.deepEqual(
    recipients.map(({ decided_by, hops }) => [decided_by, hops[0]?.queue, hops[0]?.servers]),
    [
      [
        'mx',
        'example.com',
        { found: ['mx1.example.com:2599 (192.0.2.1)', 'mx2.example.com:2599 (192.0.2.2)'] },
      ],
      ['mx', 'none.example', { refused: 'the domain none.example does not exist' }],
    ],
  );
  assert.match((await run(args)).stdout, /Servers {4}1\. mx1.*\n +2\. mx2/);
  const asked = dns.questions.length;
  assert.match((await run([...args, '--no-dns'])).stdout, /not looked up/);
  assert.equal(dns.questions.length, asked);
});

test('with a sink the queue stays, and the connection goes there with the login of the sink', async (t) => {
  const file = mesh(t);
  const environment = {
    RELAYMESH_SMTP_SINK_ADDRESS: '127.0.0.1',
    RELAYMESH_SMTP_SINK_PORT: '2500',
    RELAYMESH_SMTP_SINK_USERNAME: 'tester',
    RELAYMESH_SMTP_SINK_PASSWORD: 'canary',
  };
  const args = [file, ...FROM, '--to', 'bob@x.example'];
  const { hops } = await explained(args, environment);
  const [hop] = hops;
  assert.equal(hop?.queue, '(smarthost)');
  assert.equal(hop.next_hop, 'core');
  assert.deepEqual(hop.sink, {
    host: '127.0.0.1',
    port: 2500,
    where: 'environment RELAYMESH_SMTP_SINK_ADDRESS',
    login: {
      username: 'tester',
      where: 'environment RELAYMESH_SMTP_SINK_USERNAME',
      method: 'password',
      secret_from: 'environment RELAYMESH_SMTP_SINK_PASSWORD',
      secret_is_here: true,
    },
    tls: { mode: 'verified', implicit: false, certificate_name: '127.0.0.1' },
  });
  const { stdout } = await run([...args, '--no-dns'], environment);
  assert.match(stdout, /^Sink +the connection goes to 127\.0\.0\.1:2500 instead/m);
  assert.match(stdout, /the login edge of the next hop is not shown to it/);
  assert.doesNotMatch(stdout, /canary/);
});

test('a smarthost of the message is judged by the steer-to list of its client', async (t) => {
  const file = mesh(t);
  const args = [file, ...FROM, '--to', 'bob@x.example', '--no-dns'];
  const byName = await run([...args, '--user', 'app', '--smarthost', 'core']);
  assert.match(
    byName.stdout,
    /^The smarthost core is allowed by the steer-to list of user app\.\n/,
  );
  assert.match(byName.stdout, /^Rule +the message's own smarthost/m);
  assert.match(byName.stdout, /^Queue +\(smarthost\) core:2626$/m);
  assert.match(byName.stdout, /^Login +none$/m);
  const byAddress = await run([...args, '--user', 'app', '--smarthost', '127.0.0.9:2626']);
  assert.match(byAddress.stdout, /is allowed .*\n\n(.*\n)*Queue +\(smarthost\) 127\.0\.0\.9:2626/);
  const refused: Array<[string[], RegExp]> = [
    [['--user', 'app', '--smarthost', '127.0.0.9:22'], /refused \(550 5\.7\.1\)/],
    [['--user', 'other', '--smarthost', 'core'], /refused .*this user may not steer/],
    [['--smarthost', 'core'], /refused .* of the API/],
  ];
  for (const [more, verdict] of refused) {
    const { stdout, code } = await run([...args, ...more]);
    assert.match(stdout, verdict);
    assert.doesNotMatch(stdout, /Queue/);
    assert.equal(code, 0);
  }
  const byApi = await run([...args, '--smarthost', '192.0.2.7']);
  assert.match(byApi.stdout, /is allowed by the steer-to list of the API/);
});

test('secrets need not be here, and those that are here are never printed', async (t) => {
  const file = mesh(t, MESH, { 'edge-core.secret': 'canary-file\n' });
  const args = [file, ...FROM, '--to', 'bob@vip.example', '--to', 'bob@x.example', '--user', 'app'];
  const without = await run([...args, '--no-dns']);
  assert.match(without.stdout, /environment variable ESP_KEY \(missing on this machine\)/);
  for (const more of [[], ['--json']]) {
    const { stdout, stderr } = await run([...args, '--no-dns', ...more], { ESP_KEY: 'canary-env' });
    assert.doesNotMatch(stdout + stderr, /canary|missing/);
  }
});

test('flat keys are laid over the node as the node does it, and named as sources', async (t) => {
  const file = mesh(t, MESH, {
    'node.conf': 'smarthost: other.example\nsmarthost-port: 26\nmax-connections: 3\n',
  });
  const config = join(file, '..', 'node.conf');
  const args = [file, ...FROM, '--to', 'bob@x.example', '--config', config];
  const { hops, where } = await explained(args, { RELAYMESH_MAX_CONNECTIONS: '4' });
  assert.equal(where, `${config}:1:12`);
  assert.equal(hops[0]?.next_hop, 'other.example:26');
  assert.deepEqual(hops[0]?.capacity['max-connections'], {
    value: 4,
    where: 'environment RELAYMESH_MAX_CONNECTIONS',
  });
});

test('a node without a topology is explained from its config file', async (t) => {
  const config = join(
    folderWith(t, {
      'node.conf': 'smarthost: esp.example\nsmarthost-username: me\nsmarthost-password: canary\n',
    }),
    'node.conf',
  );
  const args = ['--config', config, '--from', 'a@b.example', '--to', 'c@d.example'];
  const { stdout } = await run(args);
  assert.match(
    stdout,
    /^Rule +no route fits: the smarthost of node relaymesh \(.*node\.conf:1:12\)$/m,
  );
  assert.match(stdout, /^Login +me \(.*node\.conf:2:21\), password: .*node\.conf:3:21$/m);
  assert.doesNotMatch(stdout, /canary/);
});

test('ports that a run settles are `auto` before it, and real with its data folder', async (t) => {
  const text = MESH.replace('listen: [{ port: 2626 }]', 'listen: [{ port: auto }]');
  const file = mesh(t, text);
  const args = [file, ...FROM, '--to', 'bob@x.example'];
  assert.match((await run(args)).stdout, /node core at 127\.0\.0\.1:auto/);
  const data = folderWith(t, {});
  const settled = allotment({ listeners: { core: { smtp: 4242 } } });
  writeFileSync(join(data, 'allotment.json'), JSON.stringify(settled));
  assert.match((await run([...args, '--data', data])).stdout, /node core at 127\.0\.0\.1:4242/);
});

test('the explanation is what the router of the node chooses', async (t) => {
  const file = mesh(t, MESH, { 'edge-core.secret': 'x\n' });
  const settings = await loadNodeSettings({
    file,
    node: 'edge',
    dataDir: join(file, '..', 'data'),
    env: { ESP_KEY: 'x' },
  });
  const router = new Router({ table: settings.route, unseal: () => null });
  let pools = 0;
  for (const sender of ['ann@a.example', 'x@bulk.example']) {
    for (const recipient of ['a@vip.example', 'b@example.com', 'c@d.example']) {
      for (const size of [1, 6_000_000]) {
        const args = ['--from', sender, '--to', recipient, '--size', String(size), '--user', 'app'];
        const { hops } = await explained([file, '--node', 'edge', ...args]);
        if (hops.length > 1) pools++;
        for (const queueId of ['A', 'B', 'C', 'D', 'E', 'F']) {
          const query = {
            queueId,
            sender,
            recipient,
            user: 'app',
            sizeBytes: size,
            tags: [],
            attempts: 0,
            own: null,
            doubtQueue: null,
          };
          const { queue, nextHop, capacity } = router.choose(query, undefined, () => true);
          const hop = hops.find((one) => one.queue === queue);
          assert.deepEqual(
            [hop?.next_hop, hop?.host, hop?.port, hop?.tls.mode, hop?.login?.username],
            [nextHop.name, nextHop.host, nextHop.port, nextHop.tls, nextHop.login?.username],
          );
          assert.equal(hop?.capacity['max-connections']?.value, capacity.maxConnections);
          assert.equal(hop.capacity['idle-timeout']?.value, capacity.idleTimeoutMs / 1000);
        }
      }
    }
  }
  assert.ok(pools > 0);
});

test('each node of each topology of the project can be explained without a run', async () => {
  for (const name of readdirSync('topologies').filter((entry) => entry.endsWith('.yaml'))) {
    const file = join('topologies', name);
    const loaded = await loadTopology(file);
    assert.ok(loaded.ok, name);
    for (const node of Object.keys(loaded.topology.nodes)) {
      const args = [file, '--node', node, '--from', '<>', '--to', 'a@b.example', '--no-dns'];
      const { stdout, code } = await run(args);
      assert.equal(code, 0);
      assert.match(stdout, /^Queue/m, `${name} ${node}`);
    }
  }
});

test('a topology with faults is refused with all of them', async (t) => {
  const file = mesh(t, MESH.replace('smarthost: core\n', 'smarthost: cor\n'));
  await assert.rejects(run([file, ...FROM, '--to', 'a@b.example']), { code: 'TOPOLOGY_INVALID' });
  await assert.rejects(run([mesh(t), '--from', 'a@b.example', '--to', 'a@b.example']), {
    code: 'NODE_NOT_NAMED',
  });
  await assert.rejects(
    run([mesh(t), '--node', 'nobody', '--from', 'a@b.example', '--to', 'a@b.example']),
    { code: 'UNKNOWN_NODE' },
  );
});

test('bad usage is refused', async (t) => {
  const file = mesh(t);
  const good = [file, '--node', 'edge', '--from', 'a@b.example', '--to', 'c@d.example'];
  const bad: string[][] = [
    [...good, '--url', 'http://127.0.0.1:1'],
    [...good, '--workdir', '/nowhere'],
    [...good, '--from', 'nonsense'],
    [...good, '--to', 'a b@c'],
    [...good, '--size', '5MB'],
    [...good, '--attempts', '-1'],
    [...good, '--smarthost', 'a:99999'],
    good.slice(0, 5),
  ];
  for (const args of bad) {
    await assert.rejects(run(args), /commander|invalid|leave out|required/, args.join(' '));
  }
});
