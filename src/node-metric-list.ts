import type { IntakeCounts } from './intake/intake-counts.js';
import { one, type MetricDefinition, type MetricFigures } from './node-metric.js';
import { RABBITMQ_METRICS } from './node-metrics-rabbitmq.js';
import { NODE } from './node-state-metrics.js';
import { TIER } from './node-tier-metrics.js';
import type { HopTraffic } from './node-traffic.js';
import type { HopTotals } from './queue/hop-totals.js';

/** The name under which the API stands among the listeners; none of these can have it. */
const BY_HTTP = '(api)';

type ReadCounts = (counts: IntakeCounts) => number | Iterable<[string | number, number]>;

/** What is counted wherever messages come in. */
function byPlace(
  name: string,
  help: string,
  label: string | null,
  read: ReadCounts,
): MetricDefinition {
  return byListener(name, help, label, read, ({ listeners, api }) => {
    return new Map([...listeners, [BY_HTTP, api]]);
  });
}

function byListener(
  name: string,
  help: string,
  label: string | null,
  read: ReadCounts,
  places: (figures: MetricFigures) => MetricFigures['listeners'] = ({ listeners }) => listeners,
): MetricDefinition {
  return {
    name,
    type: 'counter',
    help,
    labels: label === null ? ['listener'] : ['listener', label],
    read: function* (figures) {
      for (const [listener, counts] of places(figures)) {
        const values = read(counts);
        if (typeof values === 'number') yield [[listener], values];
        else for (const [key, value] of values) yield [[listener, key], value];
      }
    },
  };
}

function byHop<Value>(
  of: (figures: MetricFigures) => ReadonlyMap<string, Value>,
  name: string,
  help: string,
  label: string | null,
  read: (value: Value) => number | null | Iterable<[string, number]>,
): MetricDefinition {
  const labels = label === null ? ['hop'] : ['hop', label];
  const type = name.endsWith('_total') ? 'counter' : 'gauge';
  return {
    name,
    type,
    help,
    labels,
    read: function* (figures) {
      for (const [hop, value] of of(figures)) {
        const values = read(value);
        if (values === null || typeof values === 'number') yield [[hop], values];
        else for (const [key, count] of values) yield [[hop, key], count];
      }
    },
  };
}

const waiting = ({ hops }: MetricFigures): ReadonlyMap<string, HopTotals> => hops;
const sent = ({ traffic }: MetricFigures): ReadonlyMap<string, HopTraffic> => traffic.hops;

const INTAKE: readonly MetricDefinition[] = [
  byPlace(
    'messages_accepted_total',
    'Messages that are durable and answered, by protocol (RFC 3848).',
    'protocol',
    ({ messages }) => messages,
  ),
  byPlace(
    'accepted_bytes_total',
    'Bytes of these messages, with the lines that are ours.',
    null,
    ({ bytes }) => bytes,
  ),
  byPlace('recipients_accepted_total', 'Recipients of these messages.', null, (counts) => {
    return counts.recipients;
  }),
  byPlace(
    'messages_repeated_total',
    'Messages that an upstream node handed over again, recognised by their delivery keys and not taken again.',
    null,
    ({ repeats }) => repeats,
  ),
  byPlace(
    'intake_refusals_total',
    'Replies that refuse, by SMTP code; of listener (api) requests, by HTTP status.',
    'code',
    ({ refusals }) => refusals,
  ),
  byListener(
    'intake_sessions_total',
    'Sessions of clients, also those sent away.',
    null,
    (counts) => {
      return counts.sessions;
    },
  ),
  byListener(
    'intake_tls_sessions_total',
    'Sessions with TLS, by its version.',
    'version',
    (counts) => {
      return counts.tls;
    },
  ),
  byListener('logins_total', 'Logins of clients.', 'result', ({ logins, loginsRefused }) => [
    ['accepted', logins],
    ['refused', loginsRefused],
  ]),
  byListener(
    'intake_limited_total',
    'Clients that a limit held back, by the reason that the log has too.',
    'reason',
    ({ limited }) => limited,
  ),
  {
    name: 'intake_connections',
    type: 'gauge',
    help: 'Sessions of clients that are open.',
    labels: ['listener'],
    read: ({ status }) =>
      status.listeners.map(({ name, connections }) => [[name], connections] as const),
  },
  one('intake_connections_limit', 'Sessions that all listeners together take.', ({ status }) => {
    return status.listeners[0]?.max_connections ?? null;
  }),
];

const QUEUE: readonly MetricDefinition[] = [
  byHop(
    waiting,
    'queue_depth',
    'What waits for a hop, by state; recipients of a message that travel together count once.',
    'state',
    ({ depth }) => Object.entries(depth),
  ),
  byHop(
    waiting,
    'queue_oldest_age_seconds',
    'Age of the oldest message that is ready to be sent; no value when none is.',
    null,
    ({ oldestAgeSeconds }) => oldestAgeSeconds,
  ),
  byHop(
    waiting,
    'queues',
    'Queues to a hop, by state: active, backoff (a pause after a fault of the hop), probing (one message finds out whether it is over), paused (by an operator).',
    'state',
    ({ queues }) => Object.entries(queues),
  ),
  byHop(
    waiting,
    'hop_faults',
    'Queues that do not move for a fault of the hop, by where it was: connect, starttls, authplain and so on.',
    'state',
    ({ faults }) => faults,
  ),
  byHop(
    waiting,
    'hop_connections_limit',
    'Connections to a hop that the topology and operators allow.',
    null,
    ({ maxConnections }) => maxConnections,
  ),
  byHop(
    waiting,
    'hop_connections_allowed',
    "What the hop's own words leave of them; less while it asks for less.",
    null,
    ({ allowedConnections }) => allowedConnections,
  ),
  one('messages_queued', 'Messages in the queues.', ({ status }) => status.messages.queued),
  one('messages_limit', 'Messages that the queues hold at most.', ({ status }) => {
    return status.messages.limit;
  }),
  one('messages_quarantined', 'Messages that wait for an operator.', ({ status }) => {
    return status.messages.quarantined;
  }),
  one('spool_bytes', 'Bytes of the queued messages.', ({ status }) => status.disk.queue.used_bytes),
  one('spool_limit_bytes', 'Bytes that queued messages may take.', ({ status }) => {
    return status.disk.queue.limit_bytes;
  }),
  {
    name: 'disk_free_bytes',
    type: 'gauge',
    help: 'Free bytes of the file system under a folder of the node.',
    labels: ['folder'],
    read: ({ status: { disk } }) => [
      [['queue'], disk.queue.free_bytes],
      [['trace'], disk.trace.free_bytes],
    ],
  },
  one('disk_reserve_bytes', 'Free bytes below which no mail is taken.', ({ status }) => {
    return status.disk.reserve_bytes;
  }),
  {
    name: 'room_full',
    type: 'gauge',
    help: '1 while there is no room for mail for this reason: messages, bytes, disk or broker.',
    labels: ['reason'],
    read: ({ status: { full } }) =>
      (['messages', 'bytes', 'disk', 'broker'] as const).map((reason) => [
        [reason],
        full === reason ? 1 : 0,
      ]),
  },
  one('body_memory_bytes', 'Bodies that are held in memory.', ({ status }) => {
    return status.memory.bodies_bytes;
  }),
  one('body_memory_limit_bytes', 'What bodies may take of the memory.', ({ status }) => {
    return status.memory.bodies_limit_bytes;
  }),
];

const SENDING: readonly MetricDefinition[] = [
  {
    name: 'attempts_total',
    type: 'counter',
    help: 'Attempts to send, by where they ended (as `state` in a trace) and how.',
    labels: ['hop', 'state', 'result'],
    read: function* ({ traffic }) {
      for (const [hop, { attempts }] of traffic.hops) {
        for (const [state, results] of attempts) {
          for (const [result, value] of results) yield [[hop, state, result], value];
        }
      }
    },
  },
  {
    name: 'recipients_total',
    type: 'counter',
    help: 'Recipients by what became of them (RFC 3886 §3.3): once for being delayed, once for their end.',
    labels: ['action'],
    read: ({ traffic: { recipients } }) =>
      (['delivered', 'transferred', 'relayed', 'failed', 'delayed', 'expanded'] as const).map(
        (action) => [[action], recipients.get(action) ?? 0],
      ),
  },
  one('messages_finished_total', 'Messages that left the queue.', ({ traffic }) => {
    return traffic.finishedMessages;
  }),
  one('reports_total', 'Reports to senders (RFC 3464) that were made.', ({ traffic }) => {
    return traffic.reports;
  }),
  one(
    'doubts_released_total',
    'Recipients that a node of a tier may have and that were offered to another one after a time: each may come twice.',
    ({ doubtsReleased }) => doubtsReleased,
  ),
  one(
    'reports_postponed_total',
    'Of these, those that had to wait for the rate that is allowed.',
    ({ traffic }) => traffic.reportsPostponed,
  ),
  byHop(sent, 'hop_connections_opened_total', 'Connections that were made.', null, (hop) => {
    return hop.connections;
  }),
  byHop(
    sent,
    'hop_tls_sessions_total',
    'Of these, those with TLS, by its version.',
    'version',
    (hop) => {
      return hop.tls;
    },
  ),
  byHop(
    ({ sessions }) => sessions,
    'hop_connections',
    'Open connections: busy with a message, or idle.',
    'state',
    ({ open, busy }) => [
      ['busy', busy],
      ['idle', open - busy],
    ],
  ),
  {
    name: 'attempt_duration_seconds',
    type: 'histogram',
    help: 'How long attempts took.',
    labels: ['hop'],
    read: ({ traffic }) => [...traffic.hops].map(([hop, { seconds }]) => [[hop], seconds]),
  },
  {
    name: 'attempt_phase_duration_seconds',
    type: 'histogram',
    help: 'How long the phases of attempts took, over all hops; connect to auth only on new connections.',
    labels: ['phase'],
    read: ({ traffic }) => [...traffic.phaseSeconds].map(([phase, counts]) => [[phase], counts]),
  },
  {
    name: 'message_first_attempt_wait_seconds',
    type: 'histogram',
    help: 'Of messages that left: the time from their 250 to their first attempt.',
    labels: [],
    read: ({ traffic }) => [[[], traffic.waitSeconds]],
  },
  {
    name: 'message_queue_duration_seconds',
    type: 'histogram',
    help: 'Of messages that left: the time from their 250 to the end of their last recipient.',
    labels: [],
    read: ({ traffic }) => [[[], traffic.queueSeconds]],
  },
];

const TRACE: readonly MetricDefinition[] = [
  one('trace_records', 'Hop records in the trace store.', ({ trace }) => trace.records),
  one('trace_bytes', 'Bytes of the trace store.', ({ status }) => status.disk.trace.used_bytes),
  one('trace_limit_bytes', 'Bytes that the trace store may take.', ({ status }) => {
    return status.disk.trace.limit_bytes;
  }),
  one('trace_records_unwritten', 'Hop records that are not on disk yet.', ({ trace }) => {
    return trace.unwritten;
  }),
  one(
    'trace_records_dropped_total',
    'Hop records that were given up because the trace store refuses writes.',
    ({ trace }) => trace.dropped,
  ),
  {
    name: 'otlp_spans_total',
    type: 'counter',
    help: 'Spans for an OpenTelemetry collector: sent, dropped for want of room, failed (refused by the collector).',
    labels: ['result'],
    read: ({ otlp: { sent: done, dropped, failed } }) => [
      [['sent'], done],
      [['dropped'], dropped],
      [['failed'], failed],
    ],
  },
  one('otlp_spans_waiting', 'Spans that are still to be sent.', ({ otlp }) => otlp.waiting),
];

/** All that a node tells but for its process, in the order in which it is shown. */
export const METRICS: readonly MetricDefinition[] = [
  ...NODE,
  ...INTAKE,
  ...QUEUE,
  ...TIER,
  ...SENDING,
  ...TRACE,
  ...RABBITMQ_METRICS,
];
