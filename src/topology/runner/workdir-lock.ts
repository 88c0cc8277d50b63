import { randomBytes } from 'node:crypto';
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { codeOf, messageOf } from '../../base/errors.js';
import { readIfThere, workdirLayout } from '../state.js';
import { isSameProcess, processStartTime } from './process-identity.js';
import { RunnerError } from './runner-error.js';

/*
 * One runner a workdir. The lock is a file with the owner's pid and start time, made whole by
 * link(2), which fails when the name is taken. The lock of a process that is gone is moved aside
 * first, so that of two who find it only one can go on.
 */

const ownerSchema = z.object({ pid: z.int(), started: z.string() });

export type LockOwner = z.output<typeof ownerSchema>;

/** The living process that holds the lock of this workdir, or null. */
export async function lockOwner(workdir: string): Promise<LockOwner | null> {
  const owner = parseOwner(await readIfThere(workdirLayout.lock(workdir)));
  return owner !== null && (await isSameProcess(owner.pid, owner.started)) ? owner : null;
}

/**
 * Takes the workdir for this process.
 *
 * @returns A function that lets it go.
 * @throws RunnerError ALREADY_RUNNING naming the pid of the owner, if that one lives.
 */
export async function takeLock(workdir: string): Promise<() => Promise<void>> {
  const lock = workdirLayout.lock(workdir);
  const mine: LockOwner = {
    pid: process.pid,
    started: (await processStartTime(process.pid)) ?? 'unknown',
  };
  const draft = `${lock}.${randomBytes(6).toString('hex')}`;
  await writeDraft(workdir, draft, mine);
  try {
    while (!(await linked(draft, lock))) {
      const owner = await lockOwner(workdir);
      if (owner !== null) throw alreadyRunning(workdir, owner.pid);
      await setAside(lock);
    }
  } finally {
    await rm(draft, { force: true });
  }
  return () => rm(lock, { force: true });
}

async function linked(draft: string, lock: string): Promise<boolean> {
  try {
    await link(draft, lock);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a stale lock, but not one that another process put in its place meanwhile. */
async function setAside(lock: string): Promise<void> {
  const aside = `${lock}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(lock, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const owner = parseOwner(await readIfThere(aside));
  if (owner !== null && (await isSameProcess(owner.pid, owner.started))) {
    await linked(aside, lock);
  }
  await rm(aside, { force: true });
}

function parseOwner(text: string | null): LockOwner | null {
  if (text === null) return null;
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

async function writeDraft(workdir: string, draft: string, owner: LockOwner): Promise<void> {
  try {
    await mkdir(workdir, { recursive: true, mode: 0o700 });
    await writeFile(draft, JSON.stringify(owner), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new RunnerError('WORKDIR_UNUSABLE', `cannot use ${workdir}: ${messageOf(error)}`, 2, {
      fault: 'operator',
      hint: 'Choose another folder with --workdir.',
      cause: error,
    });
  }
}

function alreadyRunning(workdir: string, pid: number): RunnerError {
  return new RunnerError('ALREADY_RUNNING', `already running in ${workdir}, pid ${pid}`, 3, {
    fault: 'operator',
    hint: 'End that run with `relaymesh topology down`, or choose another folder with --workdir.',
  });
}
