import { cp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ClassicLevel } from 'classic-level';
import { filesIn, formsOf } from '../smarthost/secret-forms.js';

/** Looks for secrets in every form, in all that it is shown. */
export class CanarySearch {
  /** `SECRET as FORM in OUTLET`. */
  readonly found: string[] = [];
  readonly outlets = new Set<string>();
  /** Pairs of an outlet and a form that was looked for in it. */
  cases = 0;
  readonly #forms: ReadonlyArray<{ secret: string; form: string; bytes: string }>;

  /** @param secrets by the names that a failure tells them by */
  constructor(secrets: Readonly<Record<string, string>>) {
    this.#forms = Object.entries(secrets).flatMap(([secret, value]) =>
      [...formsOf(value)].map(([form, bytes]) => ({ secret, form, bytes })),
    );
  }

  look(outlet: string, content: string | Buffer): void {
    // Text as the bytes that it travels as, so that all forms are of the same kind.
    const bytes = (typeof content === 'string' ? Buffer.from(content) : content).toString('latin1');
    this.outlets.add(outlet);
    for (const { secret, form, bytes: sought } of this.#forms) {
      this.cases++;
      if (bytes.includes(sought)) this.found.push(`${secret} as ${form} in ${outlet}`);
    }
  }

  /** Every file of a folder, and every key and value of the LevelDB stores among them. */
  async lookInFolder(
    outlet: string,
    folder: string,
    scratch: string,
    isSource: (file: string) => boolean = () => false,
  ): Promise<void> {
    for (const { file, bytes } of await filesIn(folder)) {
      const name = `${outlet}/${path.relative(folder, file)}`;
      this.outlets.add(name);
      if (!isSource(file)) this.look(name, Buffer.concat([Buffer.from(name), bytes]));
    }
    for (const store of await storesIn(folder)) {
      const name = `${outlet}/${path.relative(folder, store)}, opened`;
      this.look(name, await storeContent(store, path.join(scratch, String(this.outlets.size))));
    }
  }
}

async function storesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter(({ name }) => name === 'CURRENT').map(({ parentPath }) => parentPath);
}

/** Its files are compressed, and a node may hold its lock: a copy is read. */
async function storeContent(folder: string, copy: string): Promise<Buffer> {
  await cp(folder, copy, { recursive: true });
  const store = new ClassicLevel<Buffer, Buffer>(copy, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: false,
  });
  await store.open();
  const parts: Buffer[] = [];
  for await (const [key, value] of store.iterator()) parts.push(key, value, Buffer.from('\n'));
  await store.close();
  return Buffer.concat(parts);
}
