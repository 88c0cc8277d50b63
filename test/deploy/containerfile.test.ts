import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { CONTAINER_PATHS, CONTAINER_UID } from '../../src/topology/export/compose.js';
import { exportedFiles } from '../topology/export/exporting.js';
import { PRODUCTION } from '../topology/export/production.js';
import { CONTAINERFILE, lastOf, readStages } from './container-steps.js';

const [build = [], image = []] = readStages();

test('the linter of container files finds nothing', () => {
  assert.deepEqual(validate(readFileSync(CONTAINERFILE, 'utf8')), []);
});

test('the linter would find a fault', () => {
  const text = readFileSync(CONTAINERFILE, 'utf8');
  assert.equal(validate(text.replace('--timeout=5s', '--timeout=5')).length, 1);
  assert.equal(validate(text.replace('ENTRYPOINT', 'ENTRYPOIN')).length, 1);
});

test('what is copied from the project is there, and what is copied from the build was made there', () => {
  for (const { keyword, values, flags } of [...build, ...image]) {
    if (keyword !== 'COPY' || flags['from'] !== undefined) continue;
    for (const source of values.slice(0, -1)) assert.ok(existsSync(source), source);
  }
  const made = new Set(['package.json', 'node_modules', 'dist/src', 'dist/console']);
  const taken = image.filter(({ flags }) => flags['from'] === 'build');
  assert.deepEqual(
    taken.map(({ values }) => values[0]?.replace('/build/', '')),
    [...made],
  );
});

test('the image has what the package has, but for what people read', () => {
  const { files, bin } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    files: string[];
    bin: { relaymesh: string };
  };
  const copied = image.filter(({ keyword }) => keyword === 'COPY').map(({ values }) => values[1]);
  for (const file of files.filter((name) => !name.endsWith('.md'))) {
    assert.ok(copied.includes(file), file);
  }
  const { workdir } = placesOf();
  const linked = `ln -s ${join(workdir, bin.relaymesh)} /usr/local/bin/relaymesh`;
  assert.ok(image.some(({ keyword, values }) => keyword === 'RUN' && values[0]?.includes(linked)));
});

test('it runs as nobody in particular, is asked whether it lives, and is told to end', () => {
  assert.deepEqual(lastOf(image, 'USER')?.values, [`${CONTAINER_UID}:${CONTAINER_UID}`]);
  assert.deepEqual(lastOf(image, 'STOPSIGNAL')?.values, ['SIGTERM']);
  assert.deepEqual(lastOf(image, 'VOLUME')?.values, [CONTAINER_PATHS.data]);
  assert.deepEqual(lastOf(image, 'ENTRYPOINT')?.values, ['relaymesh']);
  const { values = [], flags = {} } = lastOf(image, 'HEALTHCHECK') ?? {};
  assert.deepEqual(values.slice(0, 2), ['node', '-e']);
  assert.deepEqual(Object.keys(flags), ['interval', 'timeout', 'start-period', 'retries']);
  const url = image.find(({ values: [text] }) => text?.startsWith('HEALTHCHECK_URL='));
  assert.match(url?.values[0] ?? '', /\/livez$/);
  // Nothing after USER writes to the image, and nothing secret is in it.
  const after = image.slice(image.findIndex(({ keyword }) => keyword === 'USER'));
  assert.ok(!after.some(({ keyword }) => ['RUN', 'COPY', 'ADD'].includes(keyword)));
  assert.ok(!/token|password|secret/i.test(JSON.stringify(image.filter(isSetting))));
});

test('dependencies come by the lock file, and none of their scripts is run', () => {
  const runs = build.filter(({ keyword }) => keyword === 'RUN').map(({ values: [text] }) => text);
  assert.match(runs[0] ?? '', /^npm ci --include=dev --ignore-scripts /);
  assert.ok(
    runs.every((text) => !/npm (ci|prune)/.test(text ?? '') || text?.includes('--ignore-scripts')),
  );
  assert.match(runs.at(-1) ?? '', /^npm prune --omit=dev /);
});

test('the exports run this image as it wants to be run', async (t) => {
  const compose = parse(
    (await exportedFiles(t, 'compose', PRODUCTION)).get('compose.yaml') ?? '',
  ) as {
    services: Record<string, Record<string, unknown>>;
  };
  for (const service of Object.values(compose.services)) {
    assert.deepEqual(service['entrypoint'], lastOf(image, 'ENTRYPOINT')?.values);
    assert.equal(service['user'], lastOf(image, 'USER')?.values[0]);
    assert.equal(service['read_only'], true);
    assert.ok(
      (service['volumes'] as string[]).some((one) => one.endsWith(`:${CONTAINER_PATHS.data}`)),
    );
  }
  const kubernetes = (await exportedFiles(t, 'kubernetes', PRODUCTION)).get('edge.yaml') ?? '';
  for (const text of [
    'command:\n            - relaymesh\n',
    'readOnlyRootFilesystem: true',
    `runAsUser: ${CONTAINER_UID}`,
    `mountPath: ${CONTAINER_PATHS.data}`,
    'path: /livez',
    'path: /readyz',
  ]) {
    assert.ok(kubernetes.includes(text), text);
  }
});

function isSetting({ keyword }: { keyword: string }): boolean {
  return keyword === 'ENV' || keyword === 'ARG';
}

function placesOf(): { workdir: string } {
  return { workdir: lastOf(image, 'WORKDIR')?.values[0] ?? '' };
}
