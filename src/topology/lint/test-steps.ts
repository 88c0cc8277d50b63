import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Path } from '../fault.js';
import { entryOf } from '../hop-plan.js';
import { durationMs, durationRangeMs, ratePerSecond, sizeRangeBytes } from '../lab/units.js';
import type { FaultEntry, SendEntry, StepEntry, TestEntry, WaitEntry } from '../schema-tests.js';
import { didYouMean } from '../suggest.js';
import type { LintContext } from './context.js';
import { nodeOf, nodesByAddress } from './edges.js';
import { checkRefers, checkValue } from './test-names.js';

/** The steps of one test, with what earlier steps have changed. */
export function checkSteps(context: LintContext, { steps }: TestEntry, at: Path): void {
  const before: Before = { ended: new Set(), frozen: new Set(), changed: false };
  let lastAfterMs = 0;
  steps.forEach((step, index) => {
    const path = [...at, index];
    if (step.after !== undefined) {
      const afterMs = durationMs(step.after);
      if (afterMs < lastAfterMs) {
        warn(context, [...path, 'after'], 'an earlier step already comes after a longer time', {
          hint: 'steps run in their order; `after` counts from the begin or the last `wait`',
        });
      }
      lastAfterMs = afterMs;
    }
    if (step.wait !== undefined) lastAfterMs = 0;
    checkStep(context, step, path, before);
  });
}

interface Before {
  /** Killed, stopped or drained, and not started again. */
  ended: Set<string>;
  frozen: Set<string>;
  /** By a `reload`: links, users and listeners may be others now. */
  changed: boolean;
}

function checkStep(context: LintContext, step: StepEntry, path: Path, before: Before): void {
  const { send, fault, wait, reload, rotate, pause, resume, drain } = step;
  if (send !== undefined) checkSend(context, send, [...path, 'send'], before);
  if (fault !== undefined) checkFault(context, fault, [...path, 'fault'], before);
  if (wait !== undefined) checkWait(context, wait, [...path, 'wait']);
  checkProcesses(context, step, path, before);
  for (const [key, entry] of [
    ['pause', pause],
    ['resume', resume],
  ] as const) {
    if (entry !== undefined) checkRefers(context, 'node', entry.node, [...path, key, 'node']);
  }
  if (drain !== undefined && checkRefers(context, 'node', drain, [...path, 'drain'])) {
    before.ended.add(drain);
  }
  if (step.partition !== undefined) {
    checkLink(context, step.partition, [...path, 'partition'], before);
  }
  if (typeof step.heal === 'object') {
    const at = [...path, 'heal'];
    if ('sink' in step.heal) checkRefers(context, 'sink', step.heal.sink, [...at, 'sink']);
    else checkLink(context, step.heal, at, before);
  }
  if (rotate !== undefined) checkRotate(context, rotate, [...path, 'rotate']);
  if (reload !== undefined) {
    reload.nodes?.forEach((name, index) => {
      checkRefers(context, 'node', name, [...path, 'reload', 'nodes', index]);
    });
    if (reload.with !== undefined) checkFile(context, reload.with, [...path, 'reload', 'with']);
    before.changed = true;
  }
}

/** Steps about processes, each for one name or several. */
function checkProcesses(
  context: LintContext,
  { kill, stop, start, freeze, thaw }: StepEntry,
  path: Path,
  { ended, frozen }: Before,
): void {
  const hasBrokers = Object.keys(context.topology.brokers).length > 0;
  const what = hasBrokers ? 'node, sink or broker' : 'node or sink';
  const isPart = typeof freeze === 'object' && !Array.isArray(freeze);
  for (const { keys, names } of [
    { keys: ['kill'], names: kill },
    { keys: ['stop'], names: stop },
    { keys: ['start'], names: start },
    { keys: ['thaw'], names: thaw },
    isPart ? { keys: ['freeze', 'name'], names: freeze.name } : { keys: ['freeze'], names: freeze },
  ]) {
    const list = names === undefined ? [] : [names].flat();
    list.forEach((name, index) => {
      const at = [...path, ...keys, ...(Array.isArray(names) ? [index] : [])];
      if (!checkRefers(context, what, name, at)) return;
      const [key] = keys;
      if (key === 'kill' || key === 'stop') ended.add(name);
      if (key === 'freeze') frozen.add(name);
      if (key === 'start' && !ended.delete(name)) {
        warn(context, at, `'${name}' runs here: no step before has ended it`);
      }
      if (key === 'thaw' && !frozen.delete(name)) {
        warn(context, at, `'${name}' is not frozen here: no step before has frozen it`);
      }
    });
  }
}

function checkSend(context: LintContext, send: SendEntry, path: Path, before: Before): void {
  const { topology, report } = context;
  const { via, user, listener, by, size, rate, eml } = send;
  if (size !== undefined) {
    checkValue(context, 'unfit-step', [...path, 'size'], () => sizeRangeBytes(size));
  }
  if (rate !== undefined) {
    checkValue(context, 'unfit-step', [...path, 'rate'], () => ratePerSecond(rate));
  }
  [eml ?? []].flat().forEach((file, index) => {
    checkFile(context, file, [...path, 'eml', ...(Array.isArray(eml) ? [index] : [])]);
  });
  if (!checkRefers(context, 'node', via, [...path, 'via'])) return;
  const node = entryOf(topology.nodes, via);
  if (node === undefined || before.changed) return;
  const users = node.users.map(({ username }) => username);
  if (by === 'smtp' && users.length === 0 && node['relay-from'].length === 0) {
    report('unfit-step', [...path, 'via'], `node '${via}' takes mail from nobody but its peers`, {
      hint: 'send via a node with `users` or `relay-from`, or `by: api`',
    });
    return;
  }
  if (user !== undefined && !users.includes(user)) {
    report('unknown-user', [...path, 'user'], `node '${via}' has no user '${user}'`, {
      hint: didYouMean(user, users) ?? 'the login is one of the `users` of the node',
    });
  }
  const listeners = node.listen.map(({ name }) => name);
  if (listener !== undefined && !listeners.includes(listener)) {
    report(
      'unknown-listener',
      [...path, 'listener'],
      `node '${via}' has no listener '${listener}'`,
      {
        hint: didYouMean(listener, listeners) ?? `it has ${listeners.join(', ')}`,
      },
    );
  }
}

/** Of these a fault has at most one. */
const ENDINGS = ['reply', 'close', 'reset', 'stall', 'lose'] as const;

function checkFault(context: LintContext, fault: FaultEntry, path: Path, before: Before): void {
  const { report } = context;
  const { sink, link, at, match, delay } = fault;
  if (sink !== undefined) checkRefers(context, 'sink', sink, [...path, 'sink']);
  if (link !== undefined) checkLink(context, link, [...path, 'link'], before);
  const endings = ENDINGS.filter((key) => fault[key] !== undefined);
  const [first, second] = endings;
  if (first === undefined && delay === undefined && fault['bytes-per-second'] === undefined) {
    report('unfit-step', path, 'this fault does nothing', {
      part: 'key',
      hint: `give it ${ENDINGS.join(', ')}, delay or bytes-per-second`,
    });
  }
  if (first !== undefined && second !== undefined) {
    report(
      'unfit-step',
      [...path, second],
      `a fault cannot do both, \`${first}\` and \`${second}\``,
      {
        part: 'key',
        hint: 'write two faults, each with its own `first`, `every` or `match`',
      },
    );
  }
  if (fault.lose === true && (sink === undefined || at !== 'message')) {
    report('unfit-step', [...path, 'lose'], '`lose` is for a sink, `at: message`', {
      part: 'key',
      hint: 'only a sink that has answered 250 to a message can lose it',
    });
  }
  if (match !== undefined && at === 'connect') {
    report('unfit-step', [...path, 'match'], 'at `connect` nothing is known that could match', {
      part: 'key',
      hint: 'match the sender at `mail`, the recipients at `rcpt`, `data` or `message`',
    });
  }
  if (delay !== undefined) {
    checkValue(context, 'unfit-step', [...path, 'delay'], () => durationRangeMs(delay));
  }
}

/** A link is where mail goes; a `reload` before, or a message that steers, may make others. */
function checkLink(
  context: LintContext,
  { from, to }: { from: string; to: string },
  path: Path,
  { changed }: Before,
): void {
  const ends = [
    checkRefers(context, 'node', from, [...path, 'from']),
    checkRefers(context, 'node or sink', to, [...path, 'to']),
  ];
  if (ends.includes(false) || changed || maySteer(context, from)) return;
  const reached = reachedFrom(context, from);
  if (reached.has(to)) return;
  context.report('unfit-step', path, `node '${from}' never sends to '${to}'`, {
    part: 'key',
    hint:
      reached.size === 0
        ? 'what it sends to is outside; a sink takes its place with `stands-for`'
        : `it sends to ${[...reached].join(', ')}`,
  });
}

function maySteer({ topology }: LintContext, name: string): boolean {
  const node = entryOf(topology.nodes, name);
  const users = node?.users.some((user) => user['steer-to'].length > 0) === true;
  const links = topology.links.some((link) => link.to === name && link['steer-to'].length > 0);
  return users || links || (node?.['steer-to'].length ?? 0) > 0;
}

/** The nodes and sinks that a node sends to, also those that stand for a host outside. */
function reachedFrom(context: LintContext, name: string): Set<string> {
  const { topology, hops, targets } = context;
  const byAddress = nodesByAddress(context);
  const standIns = Object.entries(topology.sinks).flatMap(([sink, entry]) =>
    entry['stands-for'].map((outside) => ({ sink, outside: outside.toLowerCase() })),
  );
  const reached = new Set<string>();
  for (const { planned } of hops.get(name) ?? []) {
    if (!('plan' in planned)) continue;
    const { plan } = planned;
    const host = plan.host.toLowerCase();
    const names = plan.kind === 'host' ? [host, `${host}:${plan.port}`] : [];
    const standIn = standIns.find(({ outside }) => names.includes(outside))?.sink;
    const to = plan.kind === 'sink' ? plan.name : (standIn ?? nodeOf(plan, byAddress));
    if (to !== undefined) reached.add(to);
  }
  const { fallback, routes = [] } = targets.get(name) ?? {};
  if ([fallback, ...routes.map(({ target }) => target)].some((target) => target?.kind === 'mx')) {
    for (const { sink, outside } of standIns) if (outside === '*') reached.add(sink);
  }
  return reached;
}

function checkWait(context: LintContext, wait: WaitEntry, path: Path): void {
  if (typeof wait === 'string') return;
  const { sent, drained, delivered, queued } = wait;
  if (delivered !== undefined) {
    checkRefers(context, 'sink', delivered.sink, [...path, 'delivered', 'sink']);
  }
  if (queued !== undefined) checkRefers(context, 'node', queued.node, [...path, 'queued', 'node']);
  const isOpen =
    queued !== undefined && queued['at-least'] === undefined && queued['at-most'] === undefined;
  const nothing = [sent, drained, delivered, queued].every((one) => one === undefined);
  if (!isOpen && !nothing) return;
  context.report('unfit-step', isOpen ? [...path, 'queued'] : path, 'this waits for nothing', {
    part: 'key',
    hint: isOpen ? 'give it `at-least` or `at-most`' : 'give it sent, drained, delivered or queued',
  });
}

function checkRotate(
  context: LintContext,
  { secret, only }: NonNullable<StepEntry['rotate']>,
  path: Path,
): void {
  const secrets = Object.keys(context.topology.secrets);
  if (!secrets.includes(secret)) {
    context.report('unknown-secret', [...path, 'secret'], 'no secret has this name', {
      hint: didYouMean(secret, secrets) ?? `there are ${secrets.slice(0, 12).join(', ')}`,
    });
  }
  only?.forEach((name, index) => checkRefers(context, 'node', name, [...path, 'only', index]));
}

function checkFile({ baseDir, report }: LintContext, file: string, path: Path): void {
  if (existsSync(resolve(baseDir, file))) return;
  report('unfit-step', path, 'this file does not exist', {
    hint: 'names of files are relative to the topology',
  });
}

function warn(
  { report }: LintContext,
  path: Path,
  message: string,
  more: { hint?: string } = {},
): void {
  report('unfit-step', path, message, { severity: 'warning', ...more });
}
