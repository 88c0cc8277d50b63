import { joinHostPort } from '../host-address.js';
import type { RunState } from '../state.js';

/** Every address of a run, a row each, header first. */
export function addressRows(state: RunState): string[][] {
  const rows = [['NAME', 'WHAT', 'ADDRESS', 'TLS']];
  for (const [name, node] of Object.entries(state.nodes)) {
    for (const { name: listener, host, port, tls } of node.smtp) {
      rows.push([name, `smtp ${listener}`, joinHostPort(host, port), tls]);
    }
    if (node.api !== null) rows.push([name, 'api', node.api, '']);
  }
  for (const [name, sink] of Object.entries(state.sinks)) {
    rows.push([name, 'sink smtp', joinHostPort(sink.host, sink.port), sink.tls]);
    if (sink.api !== null) rows.push([name, 'sink api', sink.api, '']);
  }
  for (const [name, broker] of Object.entries(state.brokers)) {
    rows.push([name, 'amqp', joinHostPort(broker.host, broker.port), 'none']);
  }
  return rows;
}
