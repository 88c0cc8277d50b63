import type { Path } from '../fault.js';
import { shareRange } from '../lab/units.js';
import { MAX_TEST_MESSAGES, type ExpectEntry, type TestEntry } from '../schema-tests.js';
import type { LintContext } from './context.js';
import { contextOfTest, type Changes } from './test-changes.js';
import { checkRefers, checkValue } from './test-names.js';
import { checkSteps } from './test-steps.js';

/**
 * The tests of the lab: names that nothing has, steps that cannot be done, expectations that can
 * never hold. A test with a `change` is held against what that makes of the topology. A node does
 * not read them.
 */
export function checkTests(whole: LintContext, changes: Changes): void {
  if (whole.node !== undefined) return;
  whole.topology.tests.forEach((test, index) => {
    const path = ['tests', index];
    const context = contextOfTest(whole, test, path, changes);
    checkMessages(whole, test, path);
    if (context === null) return;
    checkSteps(context, test, [...path, 'steps']);
    checkExpectations(context, test, [...path, 'expect']);
  });
}

/** How many messages the steps send in all; of files no more than their number is known. */
function messagesOf({ steps }: TestEntry): number {
  return steps.reduce((sum, { send }) => {
    if (send === undefined) return sum;
    return sum + (send.count ?? (send.eml === undefined ? 1 : [send.eml].flat().length));
  }, 0);
}

function checkMessages({ report }: LintContext, test: TestEntry, path: Path): void {
  const messages = messagesOf(test);
  if (messages <= MAX_TEST_MESSAGES) return;
  const most = MAX_TEST_MESSAGES.toLocaleString('en-US');
  report(
    'unfit-step',
    [...path, 'steps'],
    `the steps send ${messages.toLocaleString('en-US')} messages, and a test can follow ${most}`,
    { hint: 'lower the `count` of its `send` steps; for load, use a benchmark' },
  );
}

function checkExpectations(context: LintContext, test: TestEntry, at: Path): void {
  const { expect } = test;
  checkDelivered(context, test, at);
  checkPath(context, expect.path ?? [], [...at, 'path']);
  for (const [name, share] of Object.entries(expect.share ?? {})) {
    checkRefers(context, 'node or sink', name, [...at, 'share', name], 'key');
    checkValue(context, 'unfit-expectation', [...at, 'share', name], () => shareRange(share));
  }
  expect['every-hop']?.except.forEach((name, index) => {
    checkRefers(context, 'node or sink', name, [...at, 'every-hop', 'except', index]);
  });
  const { sink } = expect['sink-headers'] ?? {};
  if (sink !== undefined) checkRefers(context, 'sink', sink, [...at, 'sink-headers', 'sink']);
  for (const name of Object.keys(expect.queued ?? {})) {
    checkRefers(context, 'node', name, [...at, 'queued', name], 'key');
  }
  checkEmpty(context, expect, at);
}

function checkDelivered(context: LintContext, test: TestEntry, at: Path): void {
  const { delivered } = test.expect;
  if (delivered === undefined) return;
  const isList = Array.isArray(delivered);
  const mostSent = messagesOf(test);
  [delivered].flat().forEach((entry, index) => {
    const path = [...at, 'delivered', ...(isList ? [index] : [])];
    checkRefers(context, 'sink', entry.sink, [...path, 'sink']);
    const { unique, 'at-least': atLeast, duplicates } = entry;
    if (unique === undefined && atLeast === undefined && duplicates === undefined) {
      reportEmpty(context, path, '`unique`, `at-least` or `duplicates`');
    }
    for (const [key, wanted] of [
      ['unique', unique],
      ['at-least', atLeast],
    ] as const) {
      if (wanted === undefined || wanted <= mostSent || sendsFolders(test)) continue;
      context.report(
        'unfit-expectation',
        [...path, key],
        `${wanted} different messages are expected, and the steps send ${mostSent}`,
        { hint: 'copies and bounces do not count' },
      );
    }
  });
}

/** A name of several files: how many messages they are is not known here. */
function sendsFolders({ steps }: TestEntry): boolean {
  return steps.some(({ send }) => send?.eml !== undefined && send.count === undefined);
}

function checkPath(context: LintContext, places: readonly string[], at: Path): void {
  const { topology, report } = context;
  places.forEach((place, index) => {
    const isLast = index === places.length - 1;
    for (const name of place.split('|').map((one) => one.trim())) {
      const path = [...at, index];
      if (!checkRefers(context, 'node or sink', name, path)) continue;
      const isSink = Object.hasOwn(topology.sinks, name);
      if (isSink === isLast) continue;
      report(
        'unfit-expectation',
        path,
        isLast
          ? `a path ends at a sink, and '${name}' is a node`
          : `a path goes over nodes, and '${name}' is a sink`,
        { hint: 'write the nodes in their order, then the sink' },
      );
    }
  });
}

/** Mappings that may lack each of their keys, and lack all of them. */
function checkEmpty(context: LintContext, expect: ExpectEntry, at: Path): void {
  const { 'every-hop': everyHop, 'sink-headers': headers, latency, share, queued } = expect;
  if (everyHop !== undefined && everyHop.tls === undefined && everyHop.login === undefined) {
    reportEmpty(context, [...at, 'every-hop'], '`tls` or `login`');
  }
  if (headers !== undefined && headers.absent.length + headers.present.length === 0) {
    reportEmpty(context, [...at, 'sink-headers'], '`absent` or `present`');
  }
  for (const [key, entry, wanted] of [
    ['latency', latency, 'such as `p95: "< 2s"`'],
    ['share', share, 'such as `core-a: 40%-60%`'],
    ['queued', queued, 'such as `core: 0`'],
  ] as const) {
    if (entry !== undefined && Object.keys(entry).length === 0) {
      reportEmpty(context, [...at, key], wanted);
    }
  }
}

function reportEmpty({ report }: LintContext, path: Path, wanted: string): void {
  const name = path.findLast((key) => typeof key === 'string') ?? '';
  report('unfit-expectation', path, `\`${name}\` says nothing here`, {
    part: 'key',
    hint: `give it ${wanted}`,
  });
}
