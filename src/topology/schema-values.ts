import { z } from 'zod';

/** The values that many entries of the topology file share. */

/**
 * What an editor shows of a key: what it is about, in which unit, what holds without it, what it
 * does; and values that may stand there.
 */
export function doc(description: string, ...examples: [unknown, ...unknown[]]) {
  return { description, examples };
}

export const NAME_PATTERN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const name = z
  .string()
  .regex(NAME_PATTERN, 'must be lower-case letters, digits and hyphens (at most 63)');
export const port = z.int().min(1).max(65_535);
export const portOrAuto = z.union([port, z.literal('auto')]);
export const seconds = z.int().min(1).max(31_536_000);

export const passwordSchema = z
  .strictObject({ secret: z.string().meta(doc('Name of an entry under `secrets`.', 'app')) })
  .meta(
    doc('A reference to a secret; a password is never written into the topology itself.', {
      secret: 'app',
    }),
  );

export const listenerTlsSchema = z.enum(['none', 'opportunistic', 'required', 'implicit']);
export const tlsModeSchema = z.enum(['none', 'opportunistic', 'required', 'verified']);
export const traceCarrierSchema = z.enum(['envelope', 'header', 'none']);

/** What the modes mean, for the docs of the keys that have them. */
export const TLS_MODES =
  "`none`: never TLS; `opportunistic`: STARTTLS where it is offered, with any certificate; `required`: TLS or no mail, with any certificate; `verified`: TLS with a trusted certificate for the host's name.";
export const TRACE_CARRIERS =
  'How the trace travels: in the `envelope` (XMESH, between nodes), in a `header` (X-Mesh-Trace, through a foreign host in the middle), or not at all (`none`).';
export const LISTENER_TLS =
  '`none`; `opportunistic`: STARTTLS is offered; `required`: no mail before STARTTLS; `implicit`: TLS from the first byte.';

/** Where a message may name a smarthost. */
export const steerToSchema = z
  .array(z.string().min(1).max(300))
  .max(1000)
  .default([])
  .meta(
    doc(
      'Smarthosts that a message may name: nodes and sinks of the topology, `host:port`, `*.domain:port`; without a port 25. Default none.',
      ['exit', 'smtp.esp.example:587', '*.esp.example:587'],
    ),
  );

/** How much a queue may send; each key stands in `defaults`, a node, a smarthost, a link, a queue. */
export const capacityKeys = {
  'max-connections': z
    .int()
    .min(1)
    .max(10_000)
    .meta(
      doc(
        'Open connections to one next hop; beyond it mail waits until one is free. Default 20.',
        5,
      ),
    ),
  'max-messages-per-connection': z
    .int()
    .min(1)
    .max(1_000_000)
    .meta(
      doc(
        'Messages over one connection; then it is closed with QUIT, and a new one is opened. Default 100.',
        50,
      ),
    ),
  'max-messages-per-minute': z
    .int()
    .min(1)
    .max(1_000_000)
    .meta(
      doc('Messages of one queue in any 60 seconds; beyond it they wait. Default: no limit.', 600),
    ),
  'max-connects-per-minute': z
    .int()
    .min(1)
    .max(1_000_000)
    .meta(
      doc(
        'Connections that one queue opens in any 60 seconds; beyond it mail waits. Default: no limit.',
        30,
      ),
    ),
  'idle-timeout': seconds.meta(
    doc(
      'Seconds that a connection to a next hop may be unused; then it is closed with QUIT. Default 30.',
      60,
    ),
  ),
};

export const capacitySchema = z.strictObject(capacityKeys).partial();

export type CapacityEntry = z.output<typeof capacitySchema>;
