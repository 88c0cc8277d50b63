import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.js';
import { InlineBody } from '../../../src/queue/inline-body.js';
import { systemDisk } from '../../../src/base/disk.js';
import { RelayError } from '../../../src/base/errors.js';
import { BodyMemory } from '../../../src/queue/body-memory.js';
import type { Item } from '../../../src/queue/item.js';
import { LevelSpool } from '../../../src/queue/level-spool.js';
import { recover } from '../../../src/queue/recovery.js';
import type { Corrupt } from '../../../src/queue/spool.js';
import { silentLogger } from '../../../src/base/log.js';
import { anItem, idOf } from '../../queue/samples.js';
import type { Chance } from '../../simulation/chance.js';
import { mutate } from '../mutate.js';
import { promised, type Shown } from '../target.js';

const MESSAGES = 12;

/** A spool of a dozen messages, copied for each case and damaged before it is opened. */
export class StoreFolders {
  readonly #folder: string;
  readonly #bodies: ReadonlyMap<string, Buffer>;

  private constructor(folder: string, bodies: ReadonlyMap<string, Buffer>) {
    this.#folder = folder;
    this.#bodies = bodies;
  }

  static async make(folder: string): Promise<StoreFolders> {
    const bodies = new Map<string, Buffer>();
    const original = join(folder, 'original');
    mkdirSync(original);
    const spool = spoolIn(original);
    await spool.open();
    for (let number = 0; number < MESSAGES; number++) {
      const bytes = Buffer.from(`Subject: ${number}\r\n\r\n${'line of the body\r\n'.repeat(20)}`);
      const item = anItem(idOf(number), {
        body: { kind: 'inline', sizeBytes: bytes.length, ownHeaderBytes: 0 },
      });
      bodies.set(item.id, bytes);
      await spool.accept(item, new InlineBody([bytes]));
      if (number % 3 === 0) await spool.update(item, { sync: true });
      // So that some lie in a table, and some in the log.
      if (number === MESSAGES / 2) await spool.compact();
    }
    await spool.close();
    return new StoreFolders(folder, bodies);
  }

  async fuzz(chance: Chance, show: (input: Shown) => void): Promise<void> {
    const copy = join(this.#folder, 'copy');
    rmSync(copy, { recursive: true, force: true });
    cpSync(join(this.#folder, 'original'), copy, { recursive: true });
    const store = join(copy, 'store');
    const names = readdirSync(store)
      .filter((name) => !/^LO(?:CK|G)/.test(name))
      .sort();
    const name = chance.pick(names);
    const file = join(store, name);
    const whole = readFileSync(file);
    const made = mutate(whole, chance, { words: ['\0\0\0\0'], others: [whole] });
    writeFileSync(file, made);
    show([[name, made]]);
    try {
      await this.#open(copy);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
    }
  }

  async #open(folder: string): Promise<void> {
    const spool = spoolIn(folder);
    await spool.open();
    const wrong: string[] = [];
    const options = {
      spool,
      log: silentLogger,
      clock: systemClock,
      rest: () => Promise.resolve(),
      trace: () => Promise.resolve(),
      isKnown: () => false,
      takeUp: async (item: Item) => {
        if (!(await this.#isWhole(spool, item))) wrong.push(`${item.id} is another message`);
      },
      quarantine: ({ reason }: Corrupt) => {
        if (reason === '') wrong.push('corrupt without a reason');
      },
      stopping: () => false,
      healed: async () => false,
    };
    try {
      await recover(options, spool.scan());
    } finally {
      await spool.close();
    }
    promised(wrong.length === 0, () => wrong.join('; '));
  }

  /** As it was written, or known not to be. */
  async #isWhole(spool: LevelSpool, item: Item): Promise<boolean> {
    try {
      const body = await spool.openBody(item);
      const written = this.#bodies.get(item.id);
      return body === null || (Buffer.isBuffer(body) && written?.equals(body) === true);
    } catch (error) {
      if (error instanceof RelayError) return true;
      throw error;
    }
  }
}

function spoolIn(directory: string): LevelSpool {
  const memory = new BodyMemory(() => 1_000_000);
  return new LevelSpool({ directory, inlineBodyBytes: 100_000 }, systemDisk, memory);
}
