import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Chance } from '../../simulation/chance.js';
import type { Shown, Target } from '../target.js';
import { fuzzLog, fuzzManifest } from './store-file-cases.js';
import { fuzzItem, fuzzProgress, fuzzSealed, fuzzTraceRecord } from './record-cases.js';
import { StoreFolders } from './store-folders.js';

/** All that is read back from a disk: records one by one, files of a store, and whole stores. */
export async function openSpool(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-fuzz-'));
  return new SpoolTarget(folder, await StoreFolders.make(folder));
}

class SpoolTarget implements Target {
  readonly #folder: string;
  readonly #stores: StoreFolders;

  constructor(folder: string, stores: StoreFolders) {
    this.#folder = folder;
    this.#stores = stores;
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async run(chance: Chance, show: (input: Shown) => void): Promise<void> {
    const kinds = { item: 40, progress: 20, trace: 25, sealed: 5, log: 7, manifest: 5, store: 1 };
    switch (chance.weighted(kinds)) {
      case 'item':
        return fuzzItem(chance, show);
      case 'progress':
        return fuzzProgress(chance, show);
      case 'trace':
        return fuzzTraceRecord(chance, show);
      case 'sealed':
        return fuzzSealed(chance, show, this.#folder);
      case 'log':
        return fuzzLog(chance, show, this.#folder);
      case 'manifest':
        return fuzzManifest(chance, show, this.#folder);
      case 'store':
        return this.#stores.fuzz(chance, show);
    }
  }
}
