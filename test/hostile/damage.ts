import { ClassicLevel } from 'classic-level';
import { readFile, writeFile } from 'node:fs/promises';

/** What becomes of the bytes of a record or a file. */
export type Damage = 'flipped' | 'missing' | 'extra';

/** Bytes with one of them flipped, ten missing, or ten too many, in their middle. */
export function damaged(bytes: Buffer, damage: Damage): Buffer {
  const middle = bytes.length >> 1;
  const [before, after] = [bytes.subarray(0, middle), bytes.subarray(middle)];
  switch (damage) {
    case 'flipped': {
      const copy = Buffer.from(bytes);
      copy[middle] = (copy[middle] ?? 0) ^ 0x40;
      return copy;
    }
    case 'missing':
      return Buffer.concat([before, after.subarray(10)]);
    case 'extra':
      return Buffer.concat([before, Buffer.alloc(10, 'x'), after]);
  }
}

export async function damageFile(file: string, damage: Damage): Promise<void> {
  await writeFile(file, damaged(await readFile(file), damage));
}

/** Damages records of a spool that no process uses; by key, as in `q!ID` and `q!ID!p`. */
export async function damageRecords(
  storeFolder: string,
  damages: ReadonlyMap<string, Damage>,
): Promise<void> {
  const store = new ClassicLevel<string, Buffer>(storeFolder, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
  });
  await store.open();
  for (const [key, damage] of damages) {
    const record = await store.get(key);
    if (record === undefined) throw new Error(`no record ${key}`);
    await store.put(key, damaged(record, damage), { sync: true });
  }
  await store.close();
}
