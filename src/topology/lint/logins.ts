import type { Path } from '../fault.js';
import { entryOf, tlsModeOf, tlsSuits, type HopPlan } from '../hop-plan.js';
import { isLoopbackHost } from '../../format/loopback.js';
import { inNetworks } from '../host-address.js';
import type { NodeHop } from '../node-hops.js';
import type { NodeEntry, Topology } from '../schema.js';
import { didYouMean } from '../suggest.js';
import type { LintContext } from './context.js';

/** Logins of both ends of every hop: complete, known to the other end, and never in clear. */
export function checkLogins(context: LintContext): void {
  checkHalfLogins(context);
  checkClientLogins(context);
  checkServerLogins(context);
  for (const [name, hops] of context.hops) {
    for (const hop of hops) {
      if (!('plan' in hop.planned)) continue;
      const { plan } = hop.planned;
      checkTls(context, plan, hop);
      if (plan.kind === 'node') checkLoginAtNode(context, name, plan, hop);
      if (plan.kind === 'sink') checkLoginAtSink(context, plan, hop);
    }
  }
}

function checkHalfLogins({ topology, positions, hops, report }: LintContext): void {
  const check = (
    { username, password, token }: { username?: unknown; password?: unknown; token?: unknown },
    keyPath: (key: 'username' | 'password' | 'token') => Path,
  ): void => {
    if (password !== undefined && token !== undefined) {
      const message = 'a login has either a password or a token';
      report('password-and-token', keyPath('token'), message, { part: 'key' });
    }
    const given = password === undefined ? 'token' : 'password';
    const hasSecret = password !== undefined || token !== undefined;
    const hasName = username !== undefined;
    if (hasName === hasSecret) return;
    const message = hasName ? 'username without a password' : `${given} without a username`;
    report('missing-credential', keyPath(hasName ? 'username' : given), message, {
      part: 'key',
      hint: 'give both or neither',
    });
  };
  for (const { keys, keyPath } of [...hops.values()].flat()) check(keys, keyPath);
  topology.links.forEach((link, index) => {
    check(link, (key) => ['links', index, key]);
    if (link.username === undefined && link['also-accept'].length > 0) {
      report('missing-credential', ['links', index, 'also-accept'], 'also-accept without a login', {
        part: 'key',
      });
    }
    // `envelope` is also the default, which stands aside without a login
    const askedFor = link.trace === 'envelope' && positions.has(['links', index, 'trace']);
    if (link.username === undefined && link.certificate === undefined && askedFor) {
      report(
        'trace-without-login',
        ['links', index, 'trace'],
        'trace: envelope needs a login, which this link does not have',
        { hint: 'give the link a username and a password or a certificate, or use trace: header' },
      );
    }
  });
}

function checkClientLogins({ topology, hops, report }: LintContext): void {
  const check = (login: { host: string; tls: string; allowed: boolean }, path: Path): void => {
    const inClear = login.tls === 'none' || login.tls === 'opportunistic';
    if (!inClear || login.allowed || isLoopbackHost(login.host)) return;
    report(
      'plaintext-login',
      path,
      `with tls: ${login.tls} the login could cross the network to ${login.host} in clear`,
      { hint: 'use tls: verified or required (or, knowingly, allow-insecure-auth: true)' },
    );
  };
  topology.links.forEach((link, index) => {
    const target = entryOf(topology.nodes, link.to);
    if (link.username === undefined || target === undefined) return;
    const tls = tlsModeOf(link.tls, link.username);
    const ofNode = entryOf(topology.nodes, link.from)?.['allow-insecure-auth'] === true;
    const allowed = link['allow-insecure-auth'] || ofNode;
    check({ host: target.host, tls, allowed }, ['links', index, 'tls']);
  });
  for (const { planned, keyPath } of [...hops.values()].flat()) {
    // the login of a link was looked at above
    if (!('plan' in planned) || planned.plan.link?.used === true) continue;
    const { plan } = planned;
    if (plan.username === undefined) continue;
    const login = { host: plan.host, tls: plan.tls, allowed: plan.allowInsecureAuth };
    check(login, keyPath('tls'));
  }
}

function checkServerLogins({ topology, report }: LintContext): void {
  const linked = new Set(
    topology.links.filter((link) => link.username !== undefined).map((link) => link.to),
  );
  for (const [name, node] of Object.entries(topology.nodes)) {
    if (node.users.length === 0 && !linked.has(name)) continue;
    const exposed = node.listen.every(
      (listener) => listener.tls === 'none' && !isLoopbackHost(listener.host),
    );
    if (!exposed) continue;
    report(
      'plaintext-login',
      ['nodes', name, 'listen', 0, 'tls'],
      `logins at node '${name}' would cross the network in clear: none of its listeners offers TLS`,
      { hint: 'give a listener tls: required' },
    );
  }
}

function checkTls({ report }: LintContext, plan: HopPlan, { keyPath }: NodeHop): void {
  if (plan.offered === undefined || tlsSuits(plan.tls, plan.offered)) return;
  const path = plan.link?.used === true ? ['links', plan.link.index, 'tls'] : keyPath('tls');
  report(
    'tls-mismatch',
    path,
    plan.offered === 'none'
      ? `this hop has tls: ${plan.tls}, and ${plan.kind} '${plan.name}' offers no TLS there`
      : `${plan.kind} '${plan.name}' demands TLS there, and this hop has tls: none`,
    {
      hint:
        plan.offered === 'none'
          ? 'give the other end tls: required'
          : 'leave `tls` out of this hop',
    },
  );
}

function checkLoginAtNode(context: LintContext, from: string, plan: HopPlan, hop: NodeHop): void {
  const { topology, report } = context;
  const target = entryOf(topology.nodes, plan.name);
  const sender = entryOf(topology.nodes, from);
  if (target === undefined || sender === undefined || from === plan.name) return;
  if (plan.username === undefined) {
    const half = plan.password !== undefined || plan.token !== undefined;
    if (half || mayRelay(target, sender.host)) return;
    const message = `node '${plan.name}' would refuse mail of node '${from}'`;
    report('missing-credential', hop.path, message, {
      hint: `add a link from '${from}' to '${plan.name}' with a username and a password or a certificate, or ${sender.host} to its relay-from`,
    });
    return;
  }
  if (plan.link?.used === true) return;
  const known = loginsOf(topology, plan.name, target);
  checkKnown(context, plan, hop, known);
}

/** Users and link peers of a node: username → secrets. */
function loginsOf(topology: Topology, name: string, node: NodeEntry): Map<string, string[]> {
  const known = new Map(node.users.map((user) => [user.username, [user.password.secret]]));
  for (const link of topology.links) {
    if (link.to !== name || link.username === undefined || link.password === undefined) continue;
    const secrets = [link.password, ...link['also-accept']].map(({ secret }) => secret);
    known.set(link.username, secrets);
  }
  return known;
}

/** True as well when only DNS could tell: a sender's name against a list of networks. */
function mayRelay(target: NodeEntry, senderHost: string): boolean {
  const networks = target['relay-from'];
  if (isLoopbackHost(senderHost))
    return ['127.0.0.1', '::1'].some((ip) => inNetworks(ip, networks));
  const isName = /[a-z]/i.test(senderHost) && !senderHost.includes(':');
  return isName ? networks.length > 0 : inNetworks(senderHost, networks);
}

function checkLoginAtSink(context: LintContext, plan: HopPlan, hop: NodeHop): void {
  const sink = entryOf(context.topology.sinks, plan.name);
  if (sink === undefined) return;
  if (plan.username !== undefined) {
    const known = new Map(sink.users.map((user) => [user.username, [user.password.secret]]));
    checkKnown(context, plan, hop, known);
    return;
  }
  const half = plan.password !== undefined || plan.token !== undefined;
  if (half || sink.users.length === 0) return;
  context.report('missing-credential', hop.path, `sink '${plan.name}' wants a login`, {
    hint:
      hop.role === 'smtp-sink'
        ? 'give smtp-sink-username and smtp-sink-password'
        : `write { hostname: ${plan.name}, username, password: { secret } }`,
  });
}

function checkKnown(
  context: LintContext,
  plan: HopPlan,
  { keyPath }: NodeHop,
  known: ReadonlyMap<string, string[]>,
): void {
  const { username = '', password, token } = plan;
  if (token !== undefined) {
    const message = `${plan.kind} '${plan.name}' takes passwords, not access tokens`;
    context.report('missing-credential', keyPath('token'), message, { part: 'key' });
    return;
  }
  const secrets = known.get(username);
  if (secrets === undefined) {
    const message = `${plan.kind} '${plan.name}' has no user '${username}'`;
    const hint = didYouMean(username, known.keys()) ?? 'add it to `users` there';
    context.report('unknown-user', keyPath('username'), message, { hint });
  } else if (
    password !== undefined &&
    Object.hasOwn(context.topology.secrets, password) &&
    !secrets.includes(password)
  ) {
    context.report(
      'different-secret',
      [...keyPath('password'), 'secret'],
      `user '${username}' of ${plan.kind} '${plan.name}' has secret '${secrets[0]}', not '${password}'`,
    );
  }
}
