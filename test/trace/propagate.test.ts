import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  assert as forAll,
  boolean,
  constantFrom,
  integer,
  property,
  record,
  string,
} from 'fast-check';
import {
  decodeXmesh,
  encodeXmesh,
  formatMeshContext,
  MAX_PATH_NODES,
  parseMeshContext,
  type MeshContext,
} from '../../src/trace/propagate.js';

const CONTEXT: MeshContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  node: 'edge',
  queueId: '01KE6Q1XB5M0Z9AB3C',
  path: ['first', 'edge'],
  doubt: false,
};
const VALUE =
  '1;00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01;edge;01KE6Q1XB5M0Z9AB3C;first,edge;0';

function hex(length: number) {
  return string({
    unit: constantFrom(...'0123456789abcdef'.split('')),
    minLength: length,
    maxLength: length,
  }).filter((text) => !/^0+$/.test(text));
}

const anyName = string({
  unit: constantFrom(...'abz019-'.split('')),
  minLength: 1,
  maxLength: 63,
}).filter((name) => !name.startsWith('-') && !name.endsWith('-'));

const anyContext = record({
  traceId: hex(32),
  spanId: hex(16),
  node: anyName,
  queueId: string({ unit: constantFrom(...'0189ABZ'.split('')), minLength: 1, maxLength: 32 }),
  path: array(anyName, { minLength: 1, maxLength: MAX_PATH_NODES }),
  doubt: boolean(),
}).map((context) => ({ ...context }));

test('a context has the written form of INTERFACES', () => {
  assert.equal(formatMeshContext(CONTEXT), VALUE);
  assert.equal(encodeXmesh(CONTEXT), VALUE, 'nothing in it needs an escape');
  assert.equal(formatMeshContext({ ...CONTEXT, doubt: true }), `${VALUE.slice(0, -1)}1`);
});

test('any context survives the way to the next node', () => {
  forAll(
    property(anyContext, (context) => {
      const parameter = encodeXmesh(context);
      assert.match(parameter, /^[!-~]+$/);
      if (parameter.length > 8192) return;
      assert.deepEqual(decodeXmesh(parameter), context);
    }),
  );
});

test('the flags of another tracer are taken, as is an escaped character', () => {
  assert.deepEqual(parseMeshContext(VALUE.replace('-01;', '-00;')), CONTEXT);
  assert.deepEqual(decodeXmesh(VALUE.replace('edge;', '+65dge;')), CONTEXT);
});

test('a context is believed whole or not at all', () => {
  const broken: Record<string, string> = {
    empty: '',
    'another version': VALUE.replace(/^1/, '2'),
    'version with a sign': VALUE.replace(/^1/, '+1'),
    'a field missing': VALUE.slice(0, -2),
    'a field more': `${VALUE};x`,
    'upper-case trace id': VALUE.replace('0af7', '0AF7'),
    'short trace id': VALUE.replace('0af7', '0af'),
    'trace id of zeros': VALUE.replace(CONTEXT.traceId, '0'.repeat(32)),
    'span id of zeros': VALUE.replace(CONTEXT.spanId, '0'.repeat(16)),
    'another traceparent version': VALUE.replace(';00-', ';01-'),
    'traceparent with a tail': VALUE.replace('-01;', '-01-x;'),
    'no flags': VALUE.replace('-01;', ';'),
    'empty node': VALUE.replace(';edge;', ';;'),
    'upper-case node': VALUE.replace(';edge;', ';Edge;'),
    'node with a slash': VALUE.replace(';edge;', ';../x;'),
    'node that begins with a dash': VALUE.replace(';edge;', ';-edge;'),
    'long node': VALUE.replace(';edge;', `;${'e'.repeat(64)};`),
    'empty queue id': VALUE.replace('01KE6Q1XB5M0Z9AB3C', ''),
    'queue id with a line end': VALUE.replace('01KE6Q1XB5M0Z9AB3C', '01KE\r\n'),
    'lower-case queue id': VALUE.replace('01KE6', '01ke6'),
    'long queue id': VALUE.replace('01KE6Q1XB5M0Z9AB3C', 'A'.repeat(33)),
    'empty path': VALUE.replace('first,edge', ''),
    'a gap in the path': VALUE.replace('first,edge', 'first,,edge'),
    'a blank in the path': VALUE.replace('first,edge', 'first, edge'),
    'a path too long': VALUE.replace(
      'first,edge',
      Array(MAX_PATH_NODES + 1)
        .fill('a')
        .join(','),
    ),
    'doubt of another form': VALUE.replace(/0$/, 'true'),
    'no doubt': VALUE.replace(/0$/, ''),
    'a line end behind': `${VALUE}\n`,
    'a blank in front': ` ${VALUE}`,
    'far too long': VALUE.replace('first', 'f'.repeat(10_000)),
  };
  for (const [what, value] of Object.entries(broken)) {
    assert.notEqual(value, VALUE, what);
    assert.equal(parseMeshContext(value), null, what);
  }
  for (const parameter of ['+', '+3', '+3b', `${VALUE}=`, `${VALUE} `, '+FF', `${VALUE}+0D+0A`]) {
    assert.equal(decodeXmesh(parameter), null, parameter);
  }
});

test('what any change of one character leaves is null or a context of the same form', () => {
  const unit = constantFrom(...'01aAgz;,-+=. \r\n\0\u00e9'.split(''), '');
  forAll(
    property(integer({ min: 0, max: VALUE.length - 1 }), unit, (at, replacement) => {
      const parsed = parseMeshContext(VALUE.slice(0, at) + replacement + VALUE.slice(at + 1));
      if (parsed !== null) {
        assert.match(
          formatMeshContext(parsed),
          /^1;00-[0-9a-f]{32}-[0-9a-f]{16}-01;[a-z0-9-]+;[0-9A-Z]+;[a-z0-9,-]+;[01]$/,
        );
      }
    }),
    { numRuns: 2000 },
  );
});

test('any text is null or read without an exception', () => {
  forAll(
    property(string({ unit: 'binary', maxLength: 200 }), (text) => {
      assert.equal(parseMeshContext(text), null);
      assert.equal(decodeXmesh(text), null);
    }),
  );
});
