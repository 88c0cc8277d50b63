import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../scenario/programs.js';
import { countSyncs } from './counters.js';

/*
 * Counts what a relay syncs, by strace. Only these calls stop (`--seccomp-bpf`), so that a relay is
 * hardly slower than without and as many messages share a sync as usually.
 */

const OPTIONS = '-f --seccomp-bpf -qq -e trace=fsync,fdatasync';

/** The reason why syncs cannot be counted here, else false. */
export function cannotCountSyncs(): string | false {
  const absent = missing('strace');
  if (absent !== false) return absent;
  try {
    execFileSync('strace', [...OPTIONS.split(' '), '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'processes may not be traced here';
  }
}

export interface SyncCount {
  /** What the relay is to be started by; it ends with the last process of the relay. */
  wrap: string[];
  /** Syncs until now. */
  count: () => number;
}

/** @param folder where the calls are written down */
export function syncCount(folder: string): SyncCount {
  const file = path.join(folder, 'syncs');
  // Detached (-D), so that the relay is the child; without the pipes, which it would hold open.
  const script = `exec strace -D -A ${OPTIONS} -o "$0" -- "$@" >/dev/null 2>&1`;
  return {
    wrap: ['sh', '-c', script, file],
    count: () => {
      try {
        return countSyncs(readFileSync(file, 'latin1'));
      } catch {
        // Nothing has been synced yet.
        return 0;
      }
    },
  };
}
