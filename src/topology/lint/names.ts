import type { Path } from '../fault.js';
import { unknownName } from '../hop-plan.js';
import type { LintContext } from './context.js';

/** Names that are given twice, and names that nothing has. */
export function checkNames(context: LintContext): void {
  const { topology, positions, report } = context;
  const taken = new Map(Object.keys(topology.nodes).map((name) => [name, 'nodes']));
  for (const [group, hint] of [
    ['sinks', 'a smarthost could mean either; rename one of them'],
    ['brokers', 'logs and steps of tests could mean either; rename one of them'],
  ] as const) {
    for (const name of Object.keys(topology[group])) {
      const other = taken.get(name);
      if (other === undefined) {
        taken.set(name, group);
        continue;
      }
      const { line } = positions.at([other, name], 'key');
      const message = `'${name}' is also the name of a ${other.slice(0, -1)} (line ${line})`;
      report('duplicate-name', [group, name], message, { part: 'key', hint });
    }
  }
  checkListenerNames(context);
  checkLinkEnds(context);
  checkUsernames(context);
  for (const { planned } of [...context.hops.values()].flat()) {
    if ('plan' in planned) continue;
    const { ruleId, path, message, hint } = planned.problem;
    report(ruleId, path, message, { hint });
  }
}

function checkListenerNames({ topology, positions, report }: LintContext): void {
  for (const [nodeName, node] of Object.entries(topology.nodes)) {
    const seen = new Map<string, number>();
    node.listen.forEach((listener, index) => {
      const first = seen.get(listener.name);
      if (first === undefined) {
        seen.set(listener.name, index);
        return;
      }
      const path = ['nodes', nodeName, 'listen', index, 'name'];
      const { line } = positions.at(['nodes', nodeName, 'listen', first]);
      report(
        'duplicate-listener',
        path,
        `node '${nodeName}' already has a listener '${listener.name}' (line ${line})`,
        { hint: positions.has(path) ? 'rename one of them' : 'give each listener a `name`' },
      );
    });
  }
}

function checkLinkEnds({ topology, positions, report }: LintContext): void {
  const seen = new Map<string, number>();
  topology.links.forEach((link, index) => {
    for (const end of ['from', 'to'] as const) {
      const name = link[end];
      if (Object.hasOwn(topology.nodes, name)) continue;
      const path: Path = ['links', index, end];
      if (Object.hasOwn(topology.sinks, name)) {
        report('unknown-node', path, `a link joins two nodes, and '${name}' is a sink`, {
          hint: 'put the login at a sink into the smarthost: { hostname, username, password }',
        });
        continue;
      }
      const { ruleId, message, hint } = unknownName({ ...topology, sinks: {} }, path, name);
      report(ruleId, path, message.replace('node or sink', 'node'), { hint });
    }
    if (link.from === link.to) {
      report('self-link', ['links', index, 'to'], `this link leads from '${link.from}' to itself`);
    }
    const pair = `${link.from} ${link.to}`;
    const first = seen.get(pair);
    if (first === undefined) {
      seen.set(pair, index);
      return;
    }
    const { line } = positions.at(['links', first]);
    report(
      'duplicate-link',
      ['links', index],
      `there is already a link from '${link.from}' to '${link.to}' (line ${line})`,
      { hint: 'to change a password without a gap, use `also-accept` in that link' },
    );
  });
}

function checkUsernames({ topology, positions, report }: LintContext): void {
  const owners = new Map<string, Path>();
  const claim = (server: string, username: string, path: Path): void => {
    const key = `${server} ${username}`;
    const first = owners.get(key);
    if (first === undefined) {
      owners.set(key, path);
      return;
    }
    const { line } = positions.at(first);
    report(
      'duplicate-username',
      path,
      `'${server}' already knows a user '${username}' (line ${line})`,
      {
        hint: 'users and link peers of a node share one list of names',
      },
    );
  };
  for (const [group, servers] of [
    ['nodes', Object.entries(topology.nodes)],
    ['sinks', Object.entries(topology.sinks)],
  ] as const) {
    for (const [name, { users }] of servers) {
      for (const [index, user] of users.entries()) {
        claim(name, user.username, [group, name, 'users', index, 'username']);
      }
    }
  }
  const pairs = new Set<string>();
  topology.links.forEach((link, index) => {
    const pair = `${link.from} ${link.to}`;
    // the same link twice is a fault of its own
    const first = !pairs.has(pair);
    pairs.add(pair);
    if (!first || !Object.hasOwn(topology.nodes, link.to)) return;
    if (link.certificate !== undefined) claim(link.to, link.from, ['links', index, 'certificate']);
    else if (link.username !== undefined)
      claim(link.to, link.username, ['links', index, 'username']);
  });
}
