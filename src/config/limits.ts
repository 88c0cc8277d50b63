import {
  LIMIT_KEYS,
  limitDefaultText,
  limitKeys,
  LIMITS,
  type LimitKey,
} from '../topology/schema-limits.js';
import { key, type ConfigKeySpec } from './key.js';

type LimitSpecs = { [K in LimitKey]: ConfigKeySpec<(typeof limitKeys)[K]> };

/** The flat keys about limits: those of the topology. The type of each is its unit. */
export const limits = Object.fromEntries(
  LIMIT_KEYS.map((name) => {
    const { unit, doc } = LIMITS[name];
    const form =
      unit === 'bytes' ? { form: 'size' as const } : { form: 'number' as const, type: unit };
    return [name, key({ ...form, schema: limitKeys[name], default: limitDefaultText(name), doc })];
  }),
) as LimitSpecs;
