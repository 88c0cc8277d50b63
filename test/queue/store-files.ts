import { ClassicLevel } from 'classic-level';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { idOf } from './samples.js';

const OPTIONS = { keyEncoding: 'utf8', valueEncoding: 'buffer', compression: false } as const;

/** A folder that is gone after the test. */
export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'relaymesh-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface StoreOptions {
  messages: number;
  bodyBytes?: number;
  /** They lie in a table, and not in the log. */
  inTable?: boolean;
  /** Removed again at the end, by their numbers. */
  removed?: readonly number[];
}

/** A store as a process leaves it that is killed. */
export async function makeStore(folder: string, options: StoreOptions): Promise<void> {
  const { messages, bodyBytes = 1000, inTable = false, removed = [] } = options;
  const live = `${folder}-live`;
  const store = new ClassicLevel<string, Buffer>(live, OPTIONS);
  await store.open();
  for (let number = 0; number < messages; number++) {
    await store.put(`q!${idOf(number)}`, Buffer.alloc(bodyBytes, number));
  }
  for (const number of removed) await store.del(`q!${idOf(number)}`);
  if (inTable) await store.compactRange('q!', 'q!~');
  await cp(live, folder, { recursive: true });
  await store.close();
}

/** Ids of the messages that the store itself finds; it does away with what is damaged. */
export async function idsIn(folder: string): Promise<string[]> {
  const store = new ClassicLevel<string, Buffer>(folder, OPTIONS);
  await store.open();
  try {
    return (await store.keys().all()).map((key) => key.slice(2));
  } finally {
    await store.close();
  }
}

/** The largest file of a kind: of logs and tables, the one with the messages. */
export async function fileOf(folder: string, kind: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.includes(kind));
  const sized = await Promise.all(
    names.map(async (name) => ({ name, size: (await readFile(path.join(folder, name))).length })),
  );
  sized.sort((a, b) => b.size - a.size);
  return path.join(folder, sized[0]?.name ?? '');
}

export async function change(file: string, by: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(file, by(await readFile(file)));
}

export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x40;
  return copy;
}
