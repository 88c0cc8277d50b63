import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

/*
 * The direction of imports (README: architecture). It reads the sources as text: what is imported
 * only as a type counts too, since a type is also knowledge of another part.
 */

const SRC = resolve('src');
const STAGES = ['intake', 'policy', 'queue', 'route', 'send', 'trace'];

interface Import {
  file: string;
  /** First folder below src, or '' for a file at the top. */
  from: string;
  target: string;
  /** The same of the imported file; null for a package. */
  to: string | null;
  typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? sources(join(folder, entry.name))
      : /\.tsx?$/.test(entry.name)
        ? [join(folder, entry.name)]
        : [],
  );
}

function part(file: string): string {
  const path = relative(SRC, file);
  return path.includes('/') ? (path.split('/')[0] as string) : '';
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = [
    ...text.matchAll(/^(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'/gm),
    ...text.matchAll(/()\bimport\('([^']+)'\)/g),
    ...text.matchAll(/^import()\s+'([^']+)'/gm),
  ];
  return found.map((match) => {
    const target = match[2] as string;
    const to = target.startsWith('.') ? part(resolve(dirname(file), target)) : null;
    return {
      file: relative('.', file),
      from: part(file),
      target,
      to,
      typeOnly: match[1] === 'type ',
    };
  });
}

const imports = sources(SRC).flatMap(importsOf);

function violations(isWrong: (one: Import) => boolean): string[] {
  return imports.filter(isWrong).map(({ file, target }) => `${file} imports ${target}`);
}

test('the sources have imports to check', () => {
  assert.ok(imports.length > 100);
});

test('a stage imports only stages behind it on the way of a message, format and base', () => {
  const wrong = violations(({ from, to }) => {
    if (!STAGES.includes(from) || to === null || to === from) {
      return false;
    }
    const later = STAGES.slice(STAGES.indexOf(from) + 1);
    return ![...later, 'format', 'base'].includes(to);
  });
  assert.deepEqual(wrong, []);
});

test('format and base import nothing of ours outside of themselves', () => {
  const wrong = violations(
    ({ from, to }) => (from === 'format' || from === 'base') && to !== null && to !== from,
  );
  assert.deepEqual(wrong, []);
});

test('the api sees the node through views: beside its own files only types of records', () => {
  const wrong = violations(
    ({ from, to, typeOnly }) =>
      from === 'api' &&
      to !== null &&
      !['api', 'format', 'base'].includes(to) &&
      !(to === 'trace' && typeOnly),
  );
  assert.deepEqual(wrong, []);
});

test('a node does not know of workers: only the command line starts them', () => {
  const wrong = violations(
    ({ from, to }) => to === 'workers' && from !== 'workers' && from !== 'cli',
  );
  assert.deepEqual(wrong, []);
});

test('the sink stands alone beside format and base', () => {
  const wrong = violations(
    ({ from, to }) => from === 'sink' && to !== null && !['sink', 'format', 'base'].includes(to),
  );
  assert.deepEqual(wrong, []);
});

test('the console knows of the rest only the shapes of the API, as types', () => {
  const wrong = violations(
    ({ from, to, target, typeOnly }) =>
      from === 'console' &&
      to !== null &&
      to !== 'console' &&
      !(typeOnly && /^(?:\.\.\/)+api\/shape\/[a-z-]+\.js$/.test(target)),
  );
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    violations(({ from, to }) => to === 'console' && from !== 'console'),
    [],
  );
});

const FENCES: Readonly<Record<string, readonly string[]>> = {
  'smtp-server': ['src/intake/', 'src/sink/'],
  nodemailer: ['src/send/', 'src/queue/bounce.ts'],
  undici: ['src/api/client.ts', 'src/trace/export-otlp.ts'],
  'classic-level': ['src/queue/store.ts', 'src/trace/level-store.ts'],
  amqplib: ['src/queue/broker'],
  'node-cache': ['src/trace/record-cache.ts', 'src/route/dns.ts'],
  pino: ['src/base/log.ts'],
  hono: ['src/api/', 'src/sink/'],
  '@hono/node-server': ['src/api/', 'src/sink/'],
  yaml: ['src/topology/', 'src/sink/faults-file.ts'],
  commander: ['src/cli/', 'src/main.ts'],
  'string-width': ['src/cli/table.ts'],
  'prom-client': ['src/node-metrics.ts'],
  zod: ['src/api/', 'src/topology/', 'src/config/', 'src/sink/'],
  '@peculiar/x509': ['src/topology/ephemeral-tls.ts'],
  'reflect-metadata': ['src/topology/ephemeral-tls.ts'],
};

/** What is bundled into the console or builds it, so that a node needs none of it when it runs. */
const CONSOLE_PACKAGES: readonly string[] = [
  'react',
  'react-dom',
  '@tanstack/react-query',
  'wouter',
  'uplot',
  '@dagrejs/dagre',
  'vite',
];

test('third-party packages stay behind their fences', () => {
  const wrong = violations(({ file, target, to, typeOnly }) => {
    if (to !== null || target.startsWith('node:')) {
      return false;
    }
    const name = target
      .split('/')
      .slice(0, target.startsWith('@') ? 2 : 1)
      .join('/');
    if (file.startsWith('src/console/')) {
      // As a type only: zod stays out of the bundle.
      return !CONSOLE_PACKAGES.includes(name) && !(name === 'zod' && typeOnly);
    }
    const allowed = FENCES[name] ?? [];
    return !allowed.some((place) => file.startsWith(place));
  });
  assert.deepEqual(wrong, []);
});

test('every runtime dependency is behind a fence, pinned exactly, and has its reason in the README', () => {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync('package.json', 'utf8'),
  ) as Record<string, Record<string, string>>;
  const readme = readFileSync('README.md', 'utf8');
  assert.deepEqual(Object.keys(dependencies ?? {}).sort(), Object.keys(FENCES).sort());
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned`);
    assert.ok(readme.includes(`\`${name}\``), `${name} has no reason in the README`);
  }
});

test('only main.ts ends the process or handles its signals', () => {
  const wrong = sources(SRC)
    .filter((file) => relative(SRC, file) !== 'main.ts')
    .filter((file) =>
      /process\.exit\(|process\.on\('SIG(INT|TERM)'/.test(readFileSync(file, 'utf8')),
    )
    .map((file) => relative('.', file));
  assert.deepEqual(wrong, []);
});

test('no folder is named for a kind, no comment puts work off', () => {
  const files = [...sources(SRC), ...sources(resolve('test'))];
  const kinds = /(^|\/)(utils?|helpers?|types|common|misc|lib)(\/|\.ts$)/;
  assert.deepEqual(
    files.map((file) => relative('.', file)).filter((file) => kinds.test(file)),
    [],
  );
  // Written so that this file does not find itself.
  const marks = /\b(?:TO(?=DO)|FIX(?=ME))|X{3}/;
  const wrong = files.filter((file) => marks.test(readFileSync(file, 'utf8')));
  assert.deepEqual(
    wrong.map((file) => relative('.', file)),
    [],
  );
});

test('the top level holds what a reader expects and nothing else', () => {
  const allowed = new Set([
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'src',
    'topologies',
    'scripts',
    'test',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist',
    'node_modules',
  ]);
  const others = readdirSync('.').filter((name) => !name.startsWith('.') && !allowed.has(name));
  assert.deepEqual(others, []);
});
