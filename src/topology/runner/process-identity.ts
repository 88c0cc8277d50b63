import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/*
 * A pid alone does not name a process: it is given anew after its owner ended. A pid together with
 * the time at which the process began does.
 */

const run = promisify(execFile);

/**
 * When the process with this pid began, as text that is only good for comparing; null when there
 * is no such process, or only what is left of one that nobody waited for (a zombie).
 */
export async function processStartTime(pid: number): Promise<string | null> {
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
}

/** True if the process that began at `started` under this pid still runs. */
export async function isSameProcess(pid: number, started: string): Promise<boolean> {
  return (await processStartTime(pid)) === started;
}

async function fromProc(pid: number): Promise<string | null> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the command in parentheses and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads, started] = [fields[0] ?? 'X', Number(fields[17]), fields[19] ?? null];
  // The main thread may be a zombie while others still hold the process's ports and files.
  const gone = state === 'X' || (state === 'Z' && threads <= 1);
  return gone ? null : started;
}

async function fromPs(pid: number): Promise<string | null> {
  try {
    const { stdout } = await run('ps', ['-o', 'state=,lstart=', '-p', String(pid)]);
    const [state = '', ...began] = stdout.trim().split(/\s+/);
    return state === '' || state.startsWith('Z') ? null : began.join(' ');
  } catch {
    return null;
  }
}
