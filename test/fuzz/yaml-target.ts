import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RelayError } from '../../src/base/errors.js';
import { loadConfig } from '../../src/config/load.js';
import { parseHeaders } from '../../src/config/headers-file.js';
import { parseUsers } from '../../src/config/users-file.js';
import { parseFaults } from '../../src/sink/faults-file.js';
import { checkTopology } from '../../src/topology/check.js';
import { compileNode } from '../../src/topology/compile.js';
import { describeFault, type Fault } from '../../src/topology/fault.js';
import type { LoadedTopology } from '../../src/topology/load.js';
import { loadNodeSettings } from '../../src/topology/node-settings.js';
import type { Chance } from '../simulation/chance.js';
import { inputs } from '../topology/compiling.js';
import { mutate, type Material } from './mutate.js';
import { promised, type Shown, type Target } from './target.js';
import {
  CONFIG_FILES,
  FAULT_FILES,
  FLAT_WORDS,
  HEADER_FILES,
  TOPOLOGIES,
  USER_FILES,
  YAML_WORDS,
} from './yaml-samples.js';

/** Of the processor, so that what else the machine does counts little. The slowest honest file takes some 50. */
const MAX_MS = 2000;
const FOLDER = fileURLToPath(new URL('../../../topologies/', import.meta.url));

type Kind = 'topology' | 'config' | 'users' | 'headers' | 'faults';

/** Everything that reads a file of an operator: each case is one file. */
export async function openYaml(): Promise<Target> {
  return new YamlTarget(mkdtempSync(join(tmpdir(), 'relaymesh-fuzz-')));
}

class YamlTarget implements Target {
  readonly #folder: string;
  readonly #material: Readonly<Record<Kind, Material>>;
  /** They cost a tenth of the large ones. */
  readonly #small = TOPOLOGIES.map((text) => Buffer.from(text));

  constructor(folder: string) {
    this.#folder = folder;
    const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
    const files = names.sort().map((name) => readFileSync(join(FOLDER, name)));
    const buffers = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));
    this.#material = {
      topology: { words: YAML_WORDS, others: [...files, ...buffers(TOPOLOGIES)] },
      config: { words: FLAT_WORDS, others: buffers(CONFIG_FILES) },
      users: { words: FLAT_WORDS, others: buffers(USER_FILES) },
      headers: { words: FLAT_WORDS, others: buffers(HEADER_FILES) },
      faults: { words: YAML_WORDS, others: buffers(FAULT_FILES) },
    };
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async run(chance: Chance, show: (input: Shown) => void): Promise<void> {
    const kind = chance.weighted({ topology: 55, config: 18, users: 7, headers: 5, faults: 15 });
    const material = this.#material[kind];
    const isSmall = kind === 'topology' && chance.happens(0.6);
    const made = chance.pick(isSmall ? this.#small : material.others);
    const bytes = chance.happens(0.05) ? made : mutate(made, chance, material);
    show([[kind, bytes]]);
    const start = process.cpuUsage();
    try {
      await this.#read(kind, bytes);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      promised(/^[A-Z][A-Z0-9_]+$/.test(error.code), () => `an error with the code ${error.code}`);
    }
    const { user, system } = process.cpuUsage(start);
    const tookMs = (user + system) / 1000;
    promised(tookMs < MAX_MS, () => `it took ${Math.round(tookMs)} ms`);
  }

  async #read(kind: Kind, bytes: Buffer): Promise<void> {
    const text = bytes.toString('utf8');
    const file = join(this.#folder, kind);
    const lines = text.split('\n');
    const within = (where: string): void => assertWithin(where, file, lines);
    switch (kind) {
      case 'topology':
        writeFileSync(file, bytes);
        return this.#readTopology(file, bytes);
      case 'config':
        writeFileSync(file, bytes, { mode: 0o600 });
        return this.#readConfig(file);
      case 'users':
        parseUsers(file, text).faults.forEach(({ where }) => within(where));
        return;
      case 'headers':
        parseHeaders(file, text).faults.forEach(({ where }) => within(where));
        return;
      case 'faults':
        try {
          parseFaults(text, file);
        } catch (error) {
          if (error instanceof RelayError) within(error.where ?? '');
          throw error;
        }
    }
  }

  async #readTopology(file: string, bytes: Buffer): Promise<void> {
    const { faults, loaded } = await checkTopology(file, { env: {} });
    const lines = bytes
      .toString('utf8')
      .replace(/^\ufeff/, '')
      .split('\n');
    for (const fault of faults) assertPlaced(fault, file, lines);
    promised(loaded !== undefined || faults.length > 0, () => 'no topology and no fault');
    if (loaded === undefined || faults.some(({ severity }) => severity === 'error')) return;
    compileAll(loaded);
  }

  /** As `relaymesh node --config` does. */
  async #readConfig(file: string): Promise<void> {
    const config = await loadConfig({ file, environment: {}, argv: {} });
    await loadNodeSettings({ dataDir: this.#folder, config, env: {} });
  }
}

/** A topology without errors gives every node its settings, or says why not. */
function compileAll({ topology }: LoadedTopology): void {
  for (const name of Object.keys(topology.nodes)) {
    try {
      promised(
        compileNode(topology, name, inputs()).name === name,
        () => `${name} has another name`,
      );
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
    }
  }
}

function assertPlaced(fault: Fault, file: string, lines: readonly string[]): void {
  promised(fault.message !== '', () => 'a fault without words');
  if (fault.line === 0 || fault.file !== file) return;
  assertWithin(`${fault.file}:${fault.line}:${fault.column}`, file, lines, describeFault(fault));
}

/** One column, or one line, behind the last one is where something is missing. */
function assertWithin(where: string, file: string, lines: readonly string[], what = ''): void {
  const place = /:(\d+):(\d+)$/.exec(where);
  promised(place !== null && where.startsWith(`${file}:`), () => `a fault at ${where} ${what}`);
  const [line, column] = [Number(place[1]), Number(place[2])];
  const length = lines[line - 1]?.length ?? 0;
  promised(
    line >= 1 && line <= lines.length && column >= 1 && column <= length + 2,
    () => `a fault outside of the file: ${where} ${what}`,
  );
}
