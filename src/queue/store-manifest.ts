import { readLog } from './store-log.js';

/** A table that the store reads. */
export interface StoredTable {
  number: number;
  sizeBytes: number;
}

export interface Manifest {
  isDamaged: boolean;
  /** Of the oldest log that is still read; 0 when there is none yet. */
  logNumber: number;
  tables: StoredTable[];
}

/** Numbers in the LEB128 form of protocol buffers, and texts behind their lengths. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let factor = 1; !this.done; factor *= 128) {
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 127) * factor;
      if (byte < 128) {
        break;
      }
    }
    return value;
  }

  skipText(): void {
    const length = this.number();
    this.#at += length;
  }
}

/** The first numbers of some bytes. */
export function readNumbers(bytes: Buffer, count: number): number[] {
  const fields = new Fields(bytes);
  return Array.from({ length: count }, () => fields.number());
}

/** Reads the list of the files of a store (leveldb/db/version_edit.cc), a log of changes to it. */
export async function readManifest(file: string): Promise<Manifest> {
  const tables = new Map<number, StoredTable>();
  const manifest = { isDamaged: false, logNumber: 0 };
  await readLog(file, {
    lost: () => (manifest.isDamaged = true),
    whole: (change) => {
      manifest.isDamaged ||= !apply(new Fields(change), manifest, tables);
    },
  });
  return { ...manifest, tables: [...tables.values()] };
}

/** @returns false where the change makes no sense */
function apply(
  fields: Fields,
  manifest: { logNumber: number },
  tables: Map<number, StoredTable>,
): boolean {
  while (!fields.done) {
    switch (fields.number()) {
      case 1: // comparator
        fields.skipText();
        break;
      case 2:
        manifest.logNumber = fields.number();
        break;
      case 3: // next file
      case 4: // last sequence
      case 9: // log before the last
        fields.number();
        break;
      case 5: // compact pointer: level, key
        fields.number();
        fields.skipText();
        break;
      case 6: // file that is gone: level, number
        fields.number();
        tables.delete(fields.number());
        break;
      case 7: {
        // file that is new: level, number, size, first and last key
        fields.number();
        const number = fields.number();
        tables.set(number, { number, sizeBytes: fields.number() });
        fields.skipText();
        fields.skipText();
        break;
      }
      default:
        return false;
    }
  }
  return true;
}
