import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const LIBRARIES = '/usr/lib';

/** libfaketime, or null: a library that answers for the system's wall clock. */
function library(): string | null {
  const folders = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
  const files = folders.map((folder) =>
    path.join(LIBRARIES, folder, 'faketime', 'libfaketimeMT.so.1'),
  );
  return files.find((file) => existsSync(file)) ?? null;
}

/** The reason why the wall clock of a process cannot be set here, else false. */
export function cannotFakeClock(): string | false {
  return library() === null ? 'not installed here: libfaketime' : false;
}

/** The wall clock of one process, which jumps while it runs; its monotonic clock is left alone. */
export class FakedClock {
  readonly env: NodeJS.ProcessEnv;
  readonly #file: string;

  /** @param folder for the file that tells the process the time */
  constructor(folder: string) {
    this.#file = path.join(folder, 'clock');
    this.env = {
      LD_PRELOAD: library() ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
    this.setTo(0);
  }

  /** So many days ahead of the true time; behind it where negative. */
  setTo(days: number): void {
    writeFileSync(this.#file, `${days < 0 ? '-' : '+'}${Math.abs(days)}d`);
  }
}
