import type { ClientLimitSettings } from '../../src/policy/client-limits.js';
import { compileClientLimits } from '../../src/topology/compile-limits.js';
import { LIMIT_DEFAULTS } from '../../src/topology/schema-limits.js';
import type { Tunables } from '../../src/topology/tunables.js';

/** Those that hold where nobody says anything. */
export const CLIENT_LIMITS: ClientLimitSettings = compileClientLimits(LIMIT_DEFAULTS as Tunables);
