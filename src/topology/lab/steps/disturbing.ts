import type { StepEntry } from '../../schema-tests.js';
import type { StepOutcome } from '../evidence.js';
import type { LabRun, LinkName } from '../run.js';
import { durationMs } from '../units.js';
import { faultRuleOf } from './fault-rule.js';
import { linkKey, type Held, type InForce } from './in-force.js';
import { nextNodes, waitUntilEmpty, type WaitContext } from './waiting.js';

const DRAIN_TIMEOUT = '60s';

/** Does a step that acts on processes, links, sinks or queues. */
export async function disturb(
  step: StepEntry,
  run: LabRun,
  inForce: InForce,
  outcome: StepOutcome,
): Promise<void> {
  if (step.kill !== undefined) {
    await each(step.kill, async (name) => {
      await run.kill(name);
      inForce.forget(isAbout('freeze', name));
    });
  } else if (step.stop !== undefined) await each(step.stop, (name) => run.stop(name));
  else if (step.start !== undefined) await each(step.start, (name) => run.start(name));
  else if (step.freeze !== undefined) await freeze(step.freeze, run, inForce, outcome);
  else if (step.thaw !== undefined) {
    await each(step.thaw, async (name) => {
      inForce.forget(isAbout('freeze', name));
      await run.thaw(name);
    });
  } else if (step.pause !== undefined) await pauseQueue(step.pause, run, inForce, outcome);
  else if (step.resume !== undefined) {
    const { node, queue } = step.resume;
    inForce.forget(
      (held) => isAbout('pause', node)(held) && (queue === undefined || held.queue === queue),
    );
    await run.setPaused(node, queue, false);
  } else if (step.partition !== undefined) {
    const { from, to, how } = step.partition;
    const held = partitionOf({ from, to }, run, outcome);
    await run.partition({ from, to }, how);
    inForce.forget(isAbout('partition', held.about));
    await inForce.add(held, forMs(step.partition));
  } else if (step.fault !== undefined) await arm(step.fault, run, inForce, outcome);
  else if (step.heal !== undefined) await inForce.release(healedBy(step.heal));
}

/**
 * Cuts every link into a node, waits until it holds no mail, stops it, and mends the links that it
 * has cut. @returns Why it was stopped although it still held mail, or null.
 */
export async function drainNode(
  node: string,
  inForce: InForce,
  context: WaitContext,
): Promise<string | null> {
  const { run } = context;
  const senders = Object.keys(run.topology.nodes).filter((from) =>
    nextNodes(run.topology, from).includes(node),
  );
  const cut = new Set<Held>();
  // Nothing undoes them in the background.
  const onFailure = (): void => undefined;
  for (const from of senders) {
    const link = { from, to: node };
    const about = linkKey(link);
    // A link that a step of the test has cut stays cut.
    if (inForce.has(isAbout('partition', about))) continue;
    await run.partition(link, 'refuse');
    const held: Held = { kind: 'partition', about, undo: () => run.mend(link), onFailure };
    cut.add(held);
    await inForce.add(held, null);
  }
  const left = await waitUntilEmpty(node, DRAIN_TIMEOUT, context);
  if (!context.signal.aborted) await run.stop(node);
  await inForce.release((held) => cut.has(held));
  return left;
}

async function freeze(
  step: NonNullable<StepEntry['freeze']>,
  run: LabRun,
  inForce: InForce,
  outcome: StepOutcome,
): Promise<void> {
  const { name: names, ...time } =
    typeof step === 'string' || Array.isArray(step) ? { name: step } : step;
  await each(names, async (name) => {
    await run.freeze(name);
    inForce.forget(isAbout('freeze', name));
    await inForce.add(
      { kind: 'freeze', about: name, undo: () => run.thaw(name), onFailure: brokenBy(outcome) },
      forMs(time),
    );
  });
}

async function pauseQueue(
  step: NonNullable<StepEntry['pause']>,
  run: LabRun,
  inForce: InForce,
  outcome: StepOutcome,
): Promise<void> {
  const { node, queue } = step;
  await run.setPaused(node, queue, true);
  inForce.forget((held) => isAbout('pause', node)(held) && held.queue === queue);
  const held: Held = {
    kind: 'pause',
    about: node,
    ...(queue === undefined ? {} : { queue }),
    undo: () => run.setPaused(node, queue, false),
    onFailure: brokenBy(outcome),
  };
  await inForce.add(held, forMs(step));
}

function partitionOf(link: LinkName, run: LabRun, outcome: StepOutcome): Held {
  return {
    kind: 'partition',
    about: linkKey(link),
    undo: () => run.mend(link),
    onFailure: brokenBy(outcome),
  };
}

/** Arms a rule; whenever it ends, how often it acted is written into the outcome. */
async function arm(
  fault: NonNullable<StepEntry['fault']>,
  run: LabRun,
  inForce: InForce,
  outcome: StepOutcome,
): Promise<void> {
  const { sink, link } = fault;
  if (link === undefined && sink === undefined) return;
  const about = link === undefined ? (sink ?? '') : linkKey(link);
  const armed = await run.arm(link === undefined ? { sink: about } : { link }, faultRuleOf(fault));
  const held: Held = {
    kind: 'fault',
    about,
    undo: async () => {
      outcome.fault = await armed.disarm();
    },
    onFailure: brokenBy(outcome),
  };
  await inForce.add(held, forMs(fault));
}

function healedBy(heal: NonNullable<StepEntry['heal']>): (held: Held) => boolean {
  const isHealed = ({ kind }: Held): boolean => kind === 'partition' || kind === 'fault';
  if (heal === 'all') return isHealed;
  const about = 'sink' in heal ? heal.sink : linkKey(heal);
  return (held) => isHealed(held) && held.about === about;
}

function isAbout(kind: Held['kind'], about: string): (held: Held) => boolean {
  return (held) => held.kind === kind && held.about === about;
}

function brokenBy(outcome: StepOutcome): (error: unknown) => void {
  return (error) => {
    const words = error instanceof Error ? error.message : String(error);
    outcome.broken ??= `it could not be undone: ${words}`;
  };
}

function forMs(step: { for?: string | undefined }): number | null {
  return step.for === undefined ? null : durationMs(step.for);
}

async function each(
  names: string | readonly string[],
  work: (name: string) => Promise<void>,
): Promise<void> {
  await Promise.all([names].flat().map(work));
}
