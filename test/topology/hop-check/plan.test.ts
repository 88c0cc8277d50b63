import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planChecks, type PlannedCheck } from '../../../src/topology/hop-check/plan.js';
import { parsed } from '../topology-files.js';

const BASE = `version: 1
name: mesh
secrets:
  link: { env: LINK }
  unused: { env: UNUSED }
nodes:
  edge:
    listen: [{ port: 2601 }]
    relay-from: [127.0.0.1/32]
    EDGE
  core: { listen: [{ port: 2602 }], smarthost: mx }
links:
  - { from: edge, to: core, username: edge, password: { secret: link }, tls: none }
sinks:
  mx: { port: auto }
  other: { port: 2604 }
`;

function plan(
  edge: string,
  env: Record<string, string> = {},
): Promise<{ checks: PlannedCheck[]; deliversByMx: boolean }> {
  const loaded = parsed(BASE.replace('EDGE', edge));
  return planChecks('edge', { loaded, env, workdir: null });
}

function problemOf(check: PlannedCheck | undefined): string | null {
  return check !== undefined && 'problem' in check.ready ? check.ready.problem.code : null;
}

test('a hop comes with the login of its link, as the node would use it', async () => {
  const { checks, deliversByMx } = await plan('smarthost: core', { LINK: 'open-sesame' });
  const [check] = checks;
  assert.deepEqual(
    [check?.to, check?.role, check?.address, check?.secret, check?.ofLink],
    ['core', 'link', '127.0.0.1:2602', 'link', true],
  );
  assert.ok(check !== undefined && 'hop' in check.ready);
  const { login } = check.ready.hop;
  assert.ok(login !== undefined && 'password' in login);
  assert.equal(login.password?.reveal(), 'open-sesame');
  assert.equal(deliversByMx, false);
});

test('a secret that is not here stops the hop that needs it, and no other', async () => {
  const { checks } = await plan('routes: [{ tag: x, smarthost: other }]\n    smarthost: core');
  assert.deepEqual(
    checks.map((check) => [check.to, problemOf(check)]),
    [
      ['core', 'SECRET_NOT_SET'],
      ['other', null],
    ],
  );
});

test('a port that a run would choose is not known without one', async () => {
  const { checks } = await plan('smarthost: mx');
  assert.equal(problemOf(checks[0]), 'PORT_NOT_ALLOTTED');
  assert.equal(checks[0]?.address, '127.0.0.1:auto');
});

test('the same server with the same login is looked at once', async () => {
  const { checks } = await plan(
    'routes: [{ tag: x, smarthost: other }, { tag: y, smarthost: "other" }]\n    smarthost: other',
  );
  assert.deepEqual(
    checks.map(({ to }) => to),
    ['other'],
  );
});

test('all members of a pool and its failover are looked at', async () => {
  const { checks } = await plan(
    'smarthost: { pool: [{ to: core }, { to: other }], failover: ["esp.example:587"] }',
    { LINK: 'x' },
  );
  assert.deepEqual(
    checks.map(({ to, role }) => [to, role]),
    [
      ['core', 'link'],
      ['other', 'member'],
      ['esp.example:587', 'failover'],
    ],
  );
});

test('where a sink takes all connections, only the sink is looked at', async () => {
  const { checks, deliversByMx } = await plan('smarthost: core\n    smtp-sink-address: other');
  assert.deepEqual(
    checks.map(({ to, role }) => [to, role]),
    [['other', 'smtp-sink']],
  );
  const [check] = checks;
  assert.ok(check !== undefined && 'hop' in check.ready);
  assert.equal(check.ready.hop.loginIfOffered, true);
  assert.equal(deliversByMx, false);
});

test('delivery by MX is told, also that of a single route', async () => {
  assert.equal((await plan('routes: []')).deliversByMx, true);
  const some = await plan('routes: [{ tag: x, mx: true }]\n    smarthost: other');
  assert.deepEqual([some.deliversByMx, some.checks.length], [true, 1]);
});

test('a CA that is not on this machine is the reason why nothing can be tested', async () => {
  const text = BASE.replace('EDGE', 'smarthost: other').replace(
    'nodes:',
    'tls: { ca: not-here.pem }\nnodes:',
  );
  const { checks } = await planChecks('edge', { loaded: parsed(text), env: {}, workdir: null });
  assert.equal(problemOf(checks[0]), 'PEM_UNREADABLE');
});
