import type { NodeStatus } from './api/shape/node.js';
import { VERSION } from './base/version.js';
import { one, type MetricDefinition } from './node-metric.js';

/** What a node tells about itself. */
export const NODE: readonly MetricDefinition[] = [
  {
    name: 'build_info',
    type: 'gauge',
    help: 'Always 1; what runs here.',
    labels: ['node', 'version', 'nodejs_version'],
    read: ({ status }) => [[[status.node, VERSION, process.version], 1]],
  },
  one('ready', '1 while the node takes mail.', ({ status }) => (status.ready ? 1 : 0)),
  {
    name: 'certificate_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When a certificate ends that the node shows or trusts in; of several in one place the first.',
    labels: ['used_by'],
    read: ({ status }) => [...expiries(status)].map(([place, ms]) => [[place], ms / 1000]),
  },
  one(
    'last_reload_success',
    '1 when the last reload was done, or when there was none; 0 when it was refused.',
    ({ status: { last_reload: reload } }) => (reload === null || reload.ok ? 1 : 0),
  ),
  one(
    'last_reload_timestamp_seconds',
    'When the settings were last read: at a reload, or at the start.',
    ({ status }) => Date.parse(status.last_reload?.at ?? status.started_at) / 1000,
  ),
];

function expiries({ certificates }: NodeStatus): Map<string, number> {
  const all = new Map<string, number>();
  for (const { used_by: places, not_after: end } of certificates) {
    for (const place of places) {
      all.set(place, Math.min(all.get(place) ?? Infinity, Date.parse(end)));
    }
  }
  return all;
}
