import { z } from 'zod';

/** The values that many entries of the topology file share. */

export const NAME_PATTERN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const name = z
  .string()
  .regex(NAME_PATTERN, 'must be lower-case letters, digits and hyphens (at most 63)');
export const port = z.int().min(1).max(65_535);
export const portOrAuto = z.union([port, z.literal('auto')]);
export const seconds = z.int().min(1).max(31_536_000);

export const passwordSchema = z
  .strictObject({ secret: z.string().describe('Name of an entry under `secrets`.') })
  .describe('A reference to a secret; a password is never written into the topology itself.');

export const listenerTlsSchema = z.enum(['none', 'opportunistic', 'required', 'implicit']);
export const tlsModeSchema = z.enum(['none', 'opportunistic', 'required', 'verified']);
export const traceCarrierSchema = z.enum(['envelope', 'header', 'none']);

/** Where a message may name a smarthost. */
export const steerToSchema = z
  .array(z.string().min(1).max(300))
  .max(1000)
  .default([])
  .describe(
    'Smarthosts that a message may name: nodes and sinks of the topology, `host:port`, `*.domain:port`.',
  );

/** How much a queue may send; each key stands in `defaults`, a node, a smarthost, a link, a queue. */
export const capacityKeys = {
  'max-connections': z
    .int()
    .min(1)
    .max(10_000)
    .describe(
      'Open connections to one next hop; beyond it mail waits until one is free. Default 20.',
    ),
  'max-messages-per-connection': z
    .int()
    .min(1)
    .max(1_000_000)
    .describe(
      'Messages over one connection; then it is closed with QUIT, and a new one is opened. Default 100.',
    ),
  'max-messages-per-minute': z
    .int()
    .min(1)
    .max(1_000_000)
    .describe('Messages of one queue in any 60 seconds; beyond it they wait. Default: no limit.'),
  'max-connects-per-minute': z
    .int()
    .min(1)
    .max(1_000_000)
    .describe(
      'Connections that one queue opens in any 60 seconds; beyond it mail waits. Default: no limit.',
    ),
  'idle-timeout': seconds.describe(
    'Seconds that a connection to a next hop may be unused; then it is closed with QUIT. Default 30.',
  ),
};

export const capacitySchema = z.strictObject(capacityKeys).partial();

export type CapacityEntry = z.output<typeof capacitySchema>;
