import type { NodeSettings } from './node-settings.js';
import type { Locator } from './route/mx.js';
import { pinSink } from './route/sink-redirect.js';
import type { RouteTable } from './route/table.js';

/** The table of new settings, with the address of its sink. Rejects as `pinSink`. */
export function pinnedSink(
  { route }: NodeSettings,
  before: RouteTable | null,
  locator: Locator,
): Promise<RouteTable> {
  return pinSink(route, before, (host) => locator.resolveOnce(host));
}

/** They are not the same when written down. */
export function changed(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

/** With the password, which is masked where settings are written down; only to be compared. */
function sharedSpool({ queue: { shared } }: NodeSettings): unknown {
  return shared === undefined ? null : [shared, shared.broker.password.reveal()];
}

/** What a reload cannot change, by the names of the topology file. */
export function needsRestart(before: NodeSettings, after: NodeSettings): string[] {
  const names: string[] = [];
  if (changed(before.intake.listeners, after.intake.listeners)) {
    names.push('listen');
  }
  if (before.intake.hostname !== after.intake.hostname) {
    names.push('hostname');
  }
  const tokenChanged = before.api.token.reveal() !== after.api.token.reveal();
  if (
    tokenChanged ||
    changed([before.api.host, before.api.port], [after.api.host, after.api.port])
  ) {
    names.push('api');
  }
  if (before.queue.directory !== after.queue.directory) {
    names.push('data');
  }
  if (changed(sharedSpool(before), sharedSpool(after))) {
    names.push('spool');
  }
  if (before.workers !== after.workers) {
    names.push('workers');
  }
  const rabbitmq = [before.rabbitmq, after.rabbitmq];
  const passwords = rabbitmq.map((settings) => settings?.broker.password.reveal());
  if (changed(rabbitmq[0], rabbitmq[1]) || passwords[0] !== passwords[1]) {
    names.push('rabbitmq');
  }
  return names;
}
