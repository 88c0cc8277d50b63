import type { Action, RecipientRecord } from './record.js';

/** From what leaves most to be done to what leaves nothing. */
const SETTLED_ORDER: readonly Action[] = [
  'queued',
  'delayed',
  'failed',
  'opaque',
  'expanded',
  'relayed',
  'transferred',
  'delivered',
];

const FINAL_ACTIONS: ReadonlySet<Action> = new Set([
  'delivered',
  'transferred',
  'relayed',
  'failed',
  'expanded',
]);

/** The hop has done with the recipient. */
export function isFinalAction(action: Action): boolean {
  return FINAL_ACTIONS.has(action);
}

/** The recipient is still in a queue. */
export function isOpenAction(action: Action): boolean {
  return action === 'queued' || action === 'delayed';
}

/** The action of a hop: that of the recipient that is the least settled. */
export function leastSettled(recipients: readonly RecipientRecord[]): Action {
  let least: Action = 'delivered';
  for (const { action } of recipients) {
    if (SETTLED_ORDER.indexOf(action) < SETTLED_ORDER.indexOf(least)) {
      least = action;
    }
  }
  return least;
}
