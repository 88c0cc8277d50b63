import type { CrashResult } from './crash-run.js';

const SHOWN_OFFENCES = 10;

/** The accounts as a person reads them. */
export function renderReport(result: CrashResult): string {
  const { seed, seconds, messages, counts, tally, offences, faults, traces, folder } = result;
  const { quarantined, released } = result;
  const atPoints = Object.values(tally.kills_at_points).reduce((sum, count) => sum + count, 0);
  const row = (name: string, count: number, note = ''): string =>
    `${name.padEnd(14)}${String(count).padStart(7)}${note === '' ? '' : `   ${note}`}`;
  const lines = [
    `crash test, seed ${seed}: ${tally.kills} kills (${atPoints} at named points), ` +
      `${tally.kills_of_sink} of the sink, ${tally.broker_restarts} restarts of the broker, ${tally.stops} stops, ${tally.freezes} freezes, ` +
      `${tally.cuts} cuts, ${tally.reloads} reloads in ${seconds} s`,
    `at points: ${Object.entries(tally.kills_at_points)
      .map(([point, count]) => `${point} ${count}`)
      .join(', ')}`,
    `${messages} messages; copies for recipients:`,
    '',
    row('acknowledged', counts.acknowledged),
    row('delivered', counts.delivered),
    row('bounced', counts.bounced),
    row('quarantined', counts.quarantined, released === 0 ? '' : `after ${released} were released`),
    row('lost', counts.lost),
    row('corrupt', counts.corrupt),
    row('unexpected', counts.unexpected),
    row(
      'duplicated',
      counts.duplicated,
      `between own tiers${result.mayDouble === 0 ? '' : `; bound ${result.mayDouble}`}`,
    ),
    row('', counts.duplicated_reports, 'reports, between own tiers'),
    row('repeated', counts.repeated_to_sink, 'by the last hop to the foreign sink'),
    row('', counts.repeated_reports, 'reports, by the last hop to the foreign sink'),
    row(
      'unknown',
      counts.unknown,
      `without an answer; ${counts.unknown_delivered} of them arrived`,
    ),
    '',
  ];
  for (const { fault, recipient, message_id: id, arrivals } of offences.slice(0, SHOWN_OFFENCES)) {
    lines.push(`${fault}: ${recipient} ${id ?? ''} ${JSON.stringify(arrivals)}`);
  }
  if (offences.length > SHOWN_OFFENCES) {
    lines.push(`and ${offences.length - SHOWN_OFFENCES} more in offences.jsonl`);
  }
  for (const { node, queue_id: id, kind, reason } of quarantined.slice(0, SHOWN_OFFENCES)) {
    lines.push(`quarantined at ${node}: ${id} ${kind}: ${reason}`);
  }
  lines.push(...faults, ...traces.map((trace) => `\n${trace}`));
  if (folder !== null) lines.push(`Everything is kept in ${folder}`);
  lines.push(result.clean ? 'clean' : 'NOT CLEAN');
  return `${lines.join('\n')}\n`;
}
