import { assemble } from '../../src/trace/assemble.js';
import { joinTiers } from '../../src/trace/tier-hops.js';
import type {
  ChainHop,
  AttemptRecord,
  ChainTrace,
  HopRecord,
  PhasesMs,
  RecipientRecord,
} from '../../src/trace/record.js';

/** Hops and chains for tests: everything not named has a fixed, plausible value. */

/** 2026-03-01 12:00:00 UTC. */
export const NOON_MS = Date.UTC(2026, 2, 1, 12);

export function isoAt(offsetMs: number): string {
  return new Date(NOON_MS + offsetMs).toISOString();
}

export const PHASES: PhasesMs = {
  connect: 1.2,
  greeting: 0.9,
  tls: 11.3,
  auth: 3.4,
  mail: 0.8,
  rcpt: 0.7,
  data: 0.6,
  dot: 14.1,
};

/** An attempt that began `atMs` after noon; accepted unless told otherwise. */
export function sampleAttempt(
  spanId: string,
  atMs: number,
  nextHop: string,
  fields: Partial<AttemptRecord> = {},
): AttemptRecord {
  return {
    span_id: spanId,
    started_at: isoAt(atMs),
    duration_ms: 33,
    next_hop: nextHop,
    remote: '10.0.0.9:2525',
    reused: false,
    tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
    user: 'edge',
    state: 'message',
    result: 'accepted',
    code: 250,
    enhanced_code: '2.6.0',
    description: '2.6.0 queued as 01KJZ0000CORE0001X',
    remote_queue_id: '01KJZ0000CORE0001X',
    phases_ms: PHASES,
    recipients: ['bob@example.net'],
    ...fields,
  };
}

export function sampleRecipient(
  action: RecipientRecord['action'],
  fields: Partial<RecipientRecord> = {},
): RecipientRecord {
  return {
    address: 'bob@example.net',
    action,
    code: 250,
    enhanced_code: '2.6.0',
    description: '2.6.0 queued as 01KJZ0000CORE0001X',
    attempts: 1,
    next_attempt_at: null,
    ...fields,
  };
}

/** A hop that took the message `atMs` after noon. */
export function sampleHop(
  node: string,
  atMs: number,
  fields: Partial<HopRecord> & Pick<HopRecord, 'attempts' | 'recipients'>,
): HopRecord {
  const name = node.toUpperCase().slice(0, 4).padEnd(4, 'X');
  return {
    version: 1,
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    span_id: `hop-${node}`,
    parent_span_id: null,
    node,
    queue_id: `01KJZ0000${name}0001X`,
    path: [],
    received_at: isoAt(atMs),
    finished_at: null,
    queue_wait_ms: 1.4,
    total_ms: null,
    protocol: 'ESMTPSA',
    client: { address: '192.0.2.7', helo: 'laptop', user: 'app' },
    envelope: {
      sender: 'alice@example.com',
      recipients: fields.recipients.map(({ address }) => address),
    },
    size_bytes: 4823,
    message_id: '<1a2b@example.com>',
    queue: 'core',
    action: fields.recipients[0]?.action ?? 'queued',
    attempts_dropped: 0,
    bounce_of: null,
    ...fields,
  };
}

export function sampleChain(hops: ChainHop[], fields: Partial<ChainTrace> = {}): ChainTrace {
  return {
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    complete: true,
    hops,
    unreachable: [],
    ...fields,
  };
}

/** What a middle node says of who brought the message. */
export function fromNode(node: string): Pick<HopRecord, 'client' | 'protocol'> {
  return {
    protocol: 'ESMTPSA',
    client: { address: '10.0.0.1', helo: `${node}.mail.internal`, user: node },
  };
}

const LAST_REPLY = {
  enhanced_code: '2.0.0',
  description: '2.0.0 Ok: queued as 4F8A21',
  remote_queue_id: '4F8A21',
};

/** edge → core → exit → mx, delivered in about 100 ms. */
export function threeHops(): ChainTrace {
  return sampleChain([
    sampleHop('edge', 0, {
      attempts: [sampleAttempt('a1', 1, 'core')],
      recipients: [sampleRecipient('transferred')],
    }),
    sampleHop('core', 32, {
      ...fromNode('edge'),
      parent_span_id: 'a1',
      path: ['edge'],
      attempts: [
        sampleAttempt('a2', 34, 'exit', {
          user: 'core',
          reused: true,
          duration_ms: 12,
          phases_ms: { mail: 0.8, rcpt: 0.7, data: 0.6, dot: 9.9 },
          description: '2.6.0 queued as 01KJZ0000EXIT0001X',
        }),
      ],
      recipients: [sampleRecipient('transferred')],
    }),
    sampleHop('exit', 45, {
      ...fromNode('core'),
      parent_span_id: 'a2',
      path: ['edge', 'core'],
      attempts: [
        sampleAttempt('a3', 46, 'mx', {
          ...LAST_REPLY,
          user: null,
          tls: null,
          duration_ms: 48,
          phases_ms: { connect: 2.1, greeting: 20.4, mail: 0.9, rcpt: 0.8, data: 0.6, dot: 23 },
        }),
      ],
      recipients: [sampleRecipient('relayed', LAST_REPLY)],
    }),
  ]);
}

const TRY_LATER = { code: 451, enhanced_code: '4.7.1', description: '4.7.1 Try later' };
const REFUSED = {
  ...TRY_LATER,
  state: 'rcptto',
  result: 'error',
  remote_queue_id: null,
  duration_ms: 6,
  phases_ms: { connect: 1.1, greeting: 0.9, mail: 2, rcpt: 2 },
} as const;

/** core could not pass it on twice and waits for a third attempt. */
export function retryingHop(): ChainTrace {
  const chain = threeHops();
  const [edge] = chain.hops;
  return sampleChain(
    [
      edge as HopRecord,
      sampleHop('core', 32, {
        ...fromNode('edge'),
        parent_span_id: 'a1',
        queue: 'exit',
        attempts: [
          sampleAttempt('a2', 34, 'exit', REFUSED),
          sampleAttempt('a4', 60_040, 'exit', REFUSED),
        ],
        recipients: [
          sampleRecipient('delayed', {
            ...TRY_LATER,
            attempts: 2,
            next_attempt_at: isoAt(240_000),
          }),
        ],
      }),
    ],
    { complete: false },
  );
}

const NO_SUCH_USER = { code: 550, enhanced_code: '5.1.1', description: '5.1.1 no such user' };

/** exit was told 550; its bounce has gone to mx-in. */
export function bounced(): ChainTrace {
  const chain = threeHops();
  const exit = chain.hops[2] as HopRecord;
  const failed: HopRecord = {
    ...exit,
    action: 'failed',
    attempts: [
      sampleAttempt('a3', 46, 'mx', {
        ...NO_SUCH_USER,
        state: 'rcptto',
        result: 'error',
        remote_queue_id: null,
        user: null,
        tls: null,
        duration_ms: 24,
        phases_ms: { connect: 2.1, greeting: 20.4, mail: 0.9, rcpt: 0.6 },
      }),
    ],
    recipients: [sampleRecipient('failed', NO_SUCH_USER)],
  };
  const bounce = sampleHop('exit', 74, {
    span_id: 'hop-bounce',
    queue_id: '01KJZ0000EXIT0002B',
    protocol: 'local',
    client: { address: '', helo: '', user: null },
    envelope: { sender: '', recipients: ['alice@example.com'] },
    bounce_of: exit.queue_id,
    attempts: [
      sampleAttempt('b1', 75, 'mx-in', {
        ...LAST_REPLY,
        recipients: ['alice@example.com'],
        user: null,
      }),
    ],
    recipients: [sampleRecipient('relayed', { ...LAST_REPLY, address: 'alice@example.com' })],
  });
  return sampleChain([...chain.hops.slice(0, 2), failed, bounce]);
}

/** edge has passed it to core, and core cannot be asked. */
export function unreachableNode(): ChainTrace {
  return sampleChain(threeHops().hops.slice(0, 1), {
    complete: false,
    unreachable: [{ node: 'core', action: 'opaque', reason: 'connection refused' }],
  });
}

/** Eight nodes in a row, 20 ms each. */
export function eightHops(): ChainTrace {
  const names = ['edge', 'north', 'east', 'hub', 'south', 'west', 'core', 'exit', 'mx'];
  const hops = names.slice(0, -1).map((node, index) => {
    const next = names[index + 1] as string;
    const last = index === names.length - 2;
    return sampleHop(node, index * 20, {
      ...(index === 0 ? {} : fromNode(names[index - 1] as string)),
      queue_id: `01KJZ000${index}${node.toUpperCase().padEnd(5, 'X')}001X`,
      parent_span_id: index === 0 ? null : `a${index - 1}`,
      path: names.slice(0, index),
      queue_wait_ms: 1,
      attempts: [
        sampleAttempt(`a${index}`, index * 20 + 1, next, {
          duration_ms: 20,
          user: last ? null : node,
          phases_ms: {
            connect: 1,
            greeting: 1,
            tls: 8,
            auth: 2,
            mail: 1,
            rcpt: 1,
            data: 1,
            dot: 5,
          },
          ...(last ? LAST_REPLY : { description: `2.6.0 queued as 01KJZ000${index + 1}` }),
        }),
      ],
      recipients: [sampleRecipient(last ? 'delivered' : 'transferred')],
    });
  });
  return sampleChain(hops);
}

/** The clock of core is an hour behind, that of exit is right. */
export function skewedClock(): ChainTrace {
  const [edge, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const behindMs = 3_600_000;
  const attempts = core.attempts.map((attempt) => ({
    ...attempt,
    started_at: isoAt(34 - behindMs),
  }));
  return sampleChain([edge, { ...core, received_at: isoAt(32 - behindMs), attempts }, exit]);
}

/** One of two recipients is delivered by way of core, the other bounced at edge. */
export function twoFates(): ChainTrace {
  const [, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const carol = { address: 'carol@vip.example' };
  const edge = sampleHop('edge', 0, {
    attempts: [
      sampleAttempt('a1', 1, 'core'),
      sampleAttempt('a5', 2, 'vip.example:25', {
        ...NO_SUCH_USER,
        state: 'rcptto',
        result: 'error',
        remote: '198.51.100.4:25',
        user: null,
        tls: null,
        remote_queue_id: null,
        duration_ms: 22,
        phases_ms: { connect: 8, greeting: 6, mail: 4, rcpt: 4 },
        recipients: [carol.address],
      }),
    ],
    recipients: [
      sampleRecipient('transferred'),
      sampleRecipient('failed', { ...NO_SUCH_USER, ...carol }),
    ],
  });
  return sampleChain([edge, core, exit]);
}

/** core-1 accepted, core-3 was told to come again, core-2 delivered: their records, joined. */
export function sharedTier(): ChainTrace {
  const [edge, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const shared = { ...core, tier: 'core', queue_wait_ms: null, finished_at: null, total_ms: null };
  const untried = { code: null, enhanced_code: null, description: null, attempts: 0 };
  const later = { code: 451, enhanced_code: '4.7.1', description: '4.7.1 Try again later' };
  const [attempt] = core.attempts as [AttemptRecord];
  const records: ChainHop[] = [
    {
      ...shared,
      node: 'core-1',
      action: 'queued',
      attempts: [],
      recipients: [sampleRecipient('queued', untried)],
    },
    {
      ...shared,
      node: 'core-3',
      accepted_by: 'core-1',
      action: 'delayed',
      attempts: [{ ...attempt, ...later, span_id: 'a2-3', result: 'error', remote_queue_id: null }],
      recipients: [sampleRecipient('delayed', { ...later, next_attempt_at: isoAt(60_000) })],
    },
    {
      ...shared,
      node: 'core-2',
      accepted_by: 'core-1',
      finished_at: isoAt(60_033),
      total_ms: 60_001,
      attempts: [{ ...attempt, started_at: isoAt(60_000) }],
    },
  ];
  const behind = exit.attempts.map((one) => ({ ...one, started_at: isoAt(60_012) }));
  const last = { ...exit, received_at: isoAt(60_010), path: ['edge', 'core-2'], attempts: behind };
  const first = edge.attempts.map((one) => ({ ...one, next_hop: 'core-1' }));
  return assemble(joinTiers([{ ...edge, attempts: first }, ...records, last]), []);
}
