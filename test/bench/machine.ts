import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { quantile } from './statistics.js';

/** What results are compared on. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  node: string;
  /** Appends of 4 KiB a second to a file on the disk of the scratch folders, each synced. */
  syncsPerSecond: number;
}

const SYNC_BYTES = 4096;
const SYNC_TRIES = 500;

/** @param folder on the disk that the contenders write to */
export function machineOf(folder: string): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    syncsPerSecond: 1000 / quantile(syncTimesMs(folder, SYNC_BYTES, SYNC_TRIES), 0.5),
  };
}

export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryBytes, kernel, node, syncsPerSecond } = machine;
  const memory = `${(memoryBytes / 1e9).toFixed(0)} GB`;
  return `${cpu}, ${cores} cores, ${memory}, Linux ${kernel}, Node ${node}, ${syncsPerSecond.toFixed(0)} appends with fdatasync a second`;
}

/** How long each of so many appends takes until it is on the disk. */
export function syncTimesMs(folder: string, bytes: number, tries: number): number[] {
  const file = openSync(path.join(folder, 'sync-times'), 'a', 0o600);
  const content = randomBytes(bytes);
  try {
    return Array.from({ length: tries }, () => {
      const startMs = performance.now();
      writeSync(file, content);
      fdatasyncSync(file);
      return performance.now() - startMs;
    });
  } finally {
    closeSync(file);
  }
}
