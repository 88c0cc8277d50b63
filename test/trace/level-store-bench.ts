import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { queueIdTime } from '../../src/base/identifiers.js';
import { LevelTraceStore } from '../../src/trace/level-store.js';
import type { HopRecord } from '../../src/trace/record.js';
import type { TraceSettings } from '../../src/trace/settings.js';
import type { TraceQuery } from '../../src/trace/store.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { START_MS } from './hop-records.js';

/** Between two passes that forget records. */
export const PRUNE_MS = 60_000;
export const captured = capturedLog();
export const WIDE = { maxAgeSeconds: 3600, maxRecords: 1000, maxBytes: 1_000_000_000 };

export interface Bench {
  clock: VirtualClock;
  folder: string;
  /** A store on the same folder, after the one before was closed. */
  opened(): Promise<LevelTraceStore>;
}

/** A folder for stores, in virtual time; it is gone after the test. */
export async function makeBench(
  t: TestContext,
  limits: Partial<Omit<TraceSettings, 'directory'>> = {},
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-trace-'));
  const clock = new VirtualClock(START_MS);
  let current: LevelTraceStore | null = null;
  t.after(async () => {
    await current?.close().catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });
  captured.lines.length = 0;
  const opened = async (): Promise<LevelTraceStore> => {
    await current?.close();
    const settings = { directory: folder, ...WIDE, ...limits };
    current = new LevelTraceStore(settings, clock, captured.log);
    await current.open();
    return current;
  };
  return { clock, folder, opened };
}

/** Ids sort as the numbers do, and were born when the first record was received. */
export function queueId(number: number): string {
  return `${queueIdTime(START_MS)}0${String(number).padStart(8, '0')}`;
}

export function ids(records: readonly HopRecord[]): string[] {
  return records.map((record) => record.queue_id);
}

export function at(seconds: number): string {
  return new Date(START_MS + seconds * 1000).toISOString();
}

/** Over as many pages as there are. */
export async function all(
  store: LevelTraceStore,
  query: Partial<TraceQuery> = {},
): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = await store.list({ limit: 1000, ...query, ...(cursor === '' ? {} : { cursor }) });
    found.push(...ids(page.records));
    cursor = page.nextCursor;
  }
  return found;
}
