import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/*
 * What a tree of processes takes, as Linux counts it. Times of a child that was waited for are in its
 * parent's, so that the sum over a tree never falls while processes come and go in it.
 */

/** One line of /proc/PID/stat, see proc(5). */
export interface ProcessStat {
  pid: number;
  parent: number;
  /** User and system time of the process and of its children that have ended, in microseconds. */
  cpuUs: number;
}

/** USER_HZ: what user space is told, whatever the kernel itself ticks with. */
const TICKS_PER_SECOND = 100;
const TICK_US = 1e6 / TICKS_PER_SECOND;
/** Sets the peak of the resident set back to what it is now, see proc(5). */
const RESET_PEAK = '5';

/** @returns null for what is no such line */
export function parseStat(line: string): ProcessStat | null {
  // The name stands in parentheses and may hold anything, also parentheses and spaces.
  const end = line.lastIndexOf(')');
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(end + 2).split(' ');
  const parent = Number(fields[1]);
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  if (end === -1 || !Number.isInteger(pid) || !Number.isInteger(parent) || Number.isNaN(ticks)) {
    return null;
  }
  return { pid, parent, cpuUs: ticks * TICK_US };
}

/** `roots` and all that descend from them, out of all processes. */
export function treeOf(all: readonly ProcessStat[], roots: readonly number[]): ProcessStat[] {
  const children = new Map<number, ProcessStat[]>();
  for (const one of all) children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  const tree = new Set(all.filter(({ pid }) => roots.includes(pid)));
  // A set goes on to what is added while it is walked.
  for (const { pid } of tree) for (const child of children.get(pid) ?? []) tree.add(child);
  return [...tree];
}

/** False where there is no /proc to read from. */
export function canMeasureProcesses(): boolean {
  return readOrNull('/proc/self/stat') !== null;
}

export function processTree(roots: readonly number[]): ProcessStat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readOrNull(`/proc/${pid}/stat`))
    .flatMap((line) => (line === null ? [] : (parseStat(line) ?? [])));
  return treeOf(all, roots);
}

/** CPU time of the tree until now, in microseconds, in steps of 10 ms. */
export function cpuUsOf(roots: readonly number[]): number {
  return processTree(roots).reduce((sum, { cpuUs }) => sum + cpuUs, 0);
}

/**
 * CPU time that the cores of the machine have spent on whatever until now, added up, in microseconds.
 * What a hypervisor took away from them is not in it.
 */
export function machineBusyUs(): number {
  return parseBusyUs(readOrNull('/proc/stat') ?? '');
}

/** Of the first line of /proc/stat: all but idle, iowait and steal; 0 for what is no such line. */
export function parseBusyUs(stat: string): number {
  const fields = /^cpu +([\d ]+)$/m.exec(stat)?.[1]?.split(' ').map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) * TICK_US;
}

/** The peaks begin anew. A process of somebody else keeps its own. */
export function resetPeaks(roots: readonly number[]): void {
  for (const { pid } of processTree(roots)) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK);
    } catch {
      // It has ended meanwhile, or is not ours: then its peak is that of its whole life.
    }
  }
}

/**
 * The peaks of the resident sets of all living processes of the tree, added up, in bytes: an upper
 * bound, since pages that several share count in each, and peaks need not fall together.
 */
export function peakBytesOf(roots: readonly number[]): number {
  return processTree(roots)
    .map(({ pid }) => readOrNull(`/proc/${pid}/status`) ?? '')
    .reduce((sum, status) => sum + parsePeakBytes(status), 0);
}

/** VmHWM of /proc/PID/status; 0 for a process without memory of its own. */
export function parsePeakBytes(status: string): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? 0 : Number(kib) * 1024;
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return null;
  }
}
