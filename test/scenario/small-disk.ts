import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { appendFile, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.js';
import { missing } from './programs.js';

/** The reason why no file system can be mounted here, else false. */
export function cannotMount(): string | false {
  const absent = missing('mount', 'umount', 'unshare');
  if (absent !== false) return absent;
  try {
    // In a name space of its own, which is gone at once.
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
      stdio: 'ignore',
    });
    return false;
  } catch {
    return 'a small disk needs the right to mount one (root)';
  }
}

/** A small file system of its own. */
export class SmallDisk {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  /** Fills it up with a file that is none of the node's, until only so much is left. */
  async fillUpTo(leftBytes: number): Promise<void> {
    const sizeBytes = Math.max(0, (await this.freeBytes()) - leftBytes);
    await appendFile(this.#filler, Buffer.alloc(sizeBytes));
  }

  removeFiller(): Promise<void> {
    return rm(this.#filler);
  }

  get #filler(): string {
    return path.join(this.folder, 'filler');
  }
}

/** Mounts a tmpfs on a folder, which is made; it is unmounted after the test, whatever happens. */
export function mountSmallDisk(t: TestContext, folder: string, sizeBytes: number): SmallDisk {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=700`, 'none', folder]);
  let mounted = true;
  const unmount = (): void => {
    if (!mounted) return;
    mounted = false;
    process.removeListener('exit', unmount);
    // Lazily: somebody who is still in there does not keep it for ever.
    execFileSync('umount', ['--lazy', folder]);
  };
  // A run that is cut short ends without the hooks of its tests.
  process.once('exit', unmount);
  atEnd(t, unmount);
  return new SmallDisk(folder);
}
