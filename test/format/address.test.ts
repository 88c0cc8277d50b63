import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, constantFrom, property, string } from 'fast-check';
import {
  domainOf,
  isAscii,
  MAX_PATH_OCTETS,
  parseMailbox,
  parseParameters,
  parsePath,
  sameMailbox,
} from '../../src/format/address.js';

const LABEL = 'd'.repeat(63);

/** path, local part, domain. */
const ACCEPTED: readonly [string, string, string][] = [
  ['<a@b>', 'a', 'b'],
  ['<First.Last@Mail.EXAMPLE>', 'First.Last', 'Mail.EXAMPLE'],
  ['<"a b"@x.example>', '"a b"', 'x.example'],
  ['<"a@b"@x.example>', '"a@b"', 'x.example'],
  ['<"a\\"b\\\\"@x.example>', '"a\\"b\\\\"', 'x.example'],
  ['<""@x.example>', '""', 'x.example'],
  ['<"..a."@x.example>', '"..a."', 'x.example'],
  ["<!#$%&'*+-/=?^_`{|}~@x.example>", "!#$%&'*+-/=?^_`{|}~", 'x.example'],
  ['<用户@例子.测试>', '用户', '例子.测试'],
  ['<"用 户"@xn--fsqu00a.example>', '"用 户"', 'xn--fsqu00a.example'],
  ['<a@[192.0.2.1]>', 'a', '[192.0.2.1]'],
  ['<a@[IPv6:2001:db8::1]>', 'a', '[IPv6:2001:db8::1]'],
  ['<a@[ipv6:::ffff:192.0.2.1]>', 'a', '[ipv6:::ffff:192.0.2.1]'],
  ['<postmaster>', 'postmaster', ''],
  ['<PostMaster>', 'PostMaster', ''],
  ['<a@under_score.example>', 'a', 'under_score.example'],
  [`<a@${LABEL}.example>`, 'a', `${LABEL}.example`],
  [`<${'l'.repeat(64)}@x.example>`, 'l'.repeat(64), 'x.example'],
  [`<${'l'.repeat(200)}@x.example>`, 'l'.repeat(200), 'x.example'],
];

const REFUSED: readonly string[] = [
  '',
  'a@b',
  ' <a@b>',
  '<a@b',
  '<a@>',
  '<@b>',
  '<a>',
  '<a@b@c>',
  '<a b@c>',
  '<a @c>',
  '<a@b c>',
  '< a@b>',
  '<a@b >',
  '<.a@b>',
  '<a.@b>',
  '<a..b@c>',
  '<a@.b>',
  '<a@b.>',
  '<a@b..c>',
  '<a@-b.example>',
  '<a@b-.example>',
  '<a@b!c>',
  '<a@b\u3002c>',
  '<a<b@c>',
  '<"a<b"@c>',
  '<"a>b"@c>',
  '<"a\\>b"@c>',
  '<"a@b>',
  '<"a"b@c>',
  '<a"b"@c>',
  '<"a"@>',
  '<"a\\é"@c>',
  '<a\0@b>',
  '<a\r\n@b>',
  '<"a\nb"@c>',
  '<"a\\\rb"@c>',
  '<a\u0085@b>',
  '<a\x7f@b>',
  '<a\ufffd@b>',
  '<a\ud800@b>',
  '<a@\udc00b>',
  '<a@[1.2.3]>',
  '<a@[1.2.3.256]>',
  '<a@[IPv6:fe80::1%eth0]>',
  '<a@[IPv6:1.2.3.4]>',
  '<a@[x:y]>',
  '<a@[1.2.3.4>',
  `<a@${LABEL}d.example>`,
  '<postmaster@>',
  '<@a>',
  '<@a:>',
  '<@a,b:c@d>',
  '<@a,bc:d@e>',
  '<@a,@:c@d>',
  '<@a b:c@d>',
  '<@a:@b:c@d>',
];

test('paths that RFC 5321 and 6531 allow are kept letter by letter', () => {
  for (const [path, local, domain] of ACCEPTED) {
    const address = { address: path.slice(1, -1), local, domain };
    assert.deepEqual(parsePath(path), { address, rest: '' }, path);
    assert.deepEqual(parseMailbox(path.slice(1, -1)), address, path);
  }
});

test('paths that are broken or could be read in two ways are refused', () => {
  for (const path of REFUSED) {
    assert.equal(parsePath(path), null, JSON.stringify(path));
    assert.equal(parseMailbox(path.slice(1, -1)), null, JSON.stringify(path));
  }
});

test('an address of atoms and labels is taken exactly where each of them is one', () => {
  const atom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+$/;
  const label = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;
  const pieces = constantFrom(
    'a',
    'B9',
    '-',
    '_',
    '.',
    '@',
    '+',
    '"',
    ' ',
    '\\',
    '\n',
    'x'.repeat(31),
  );
  forAll(
    property(string({ unit: pieces, maxLength: 12 }), (text) => {
      const [local = '', domain = '', ...more] = text.split('@');
      const usual =
        more.length === 0 &&
        local.split('.').every((part) => atom.test(part)) &&
        domain.split('.').every((part) => label.test(part)) &&
        text.length <= 254;
      const quoted = text.startsWith('"');
      assert.equal(parseMailbox(text) !== null && !quoted, usual && !quoted, JSON.stringify(text));
      if (usual) {
        assert.deepEqual(parseMailbox(text), { address: text, local, domain });
      }
    }),
    { numRuns: 20_000 },
  );
});

test('the null sender is an empty address in a path, and no address elsewhere', () => {
  assert.deepEqual(parsePath('<> SIZE=1'), {
    address: { address: '', local: '', domain: '' },
    rest: ' SIZE=1',
  });
  assert.equal(parseMailbox(''), null);
});

test('a source route is dropped', () => {
  assert.equal(parsePath('<@a:c@d>')?.address.address, 'c@d');
  assert.equal(parsePath('<@a.example,@b.example:c@d>')?.address.address, 'c@d');
  assert.equal(parsePath('<@a:"x:y"@d>')?.address.address, '"x:y"@d');
  assert.equal(parsePath('<@a:c@[IPv6:::1]>')?.address.domain, '[IPv6:::1]');
});

function pathOf(octets: number): string {
  return `<${'l'.repeat(octets - 4)}@d>`;
}

test('a path of 256 octets is taken and one of 257 is not', () => {
  assert.notEqual(parsePath(pathOf(MAX_PATH_OCTETS)), null);
  assert.equal(parsePath(pathOf(MAX_PATH_OCTETS + 1)), null);
  assert.notEqual(parseMailbox(pathOf(MAX_PATH_OCTETS).slice(1, -1)), null);
  assert.equal(parseMailbox(pathOf(MAX_PATH_OCTETS + 1).slice(1, -1)), null);
  assert.notEqual(parsePath(`<${'é'.repeat(126)}@d>`), null);
  assert.equal(parsePath(`<${'é'.repeat(127)}@d>`), null);
  const route = `@${'é'.repeat(60)}.${'é'.repeat(60)}:`;
  assert.notEqual(parsePath(`<${route}l@d>`), null);
  assert.equal(parsePath(`<${route}${'l'.repeat(20)}@d>`), null);
});

test('every path that is accepted parses to itself again, and holds no bracket or control', () => {
  const text = string({
    unit: constantFrom(...'aB.@"\\<>[]: é\u3002\n\0-_,1'.split('')),
    maxLength: 20,
  });
  forAll(
    property(text, (text) => {
      const parsed = parsePath(`<${text}>`);
      if (parsed === null || parsed.address.address === '') return;
      const { address, local, domain } = parsed.address;
      assert.deepEqual(parsePath(`<${address}>`)?.address, parsed.address);
      assert.equal(domain === '' ? local : `${local}@${domain}`, address);
      assert.equal(domainOf(address), domain);
      assert.ok(!address.split('').some((c) => c < ' ' || c === '<' || c === '>'));
    }),
    { numRuns: 3000 },
  );
});

test('an input of 100 kB is refused at once', () => {
  const size = 100_000;
  const inputs = ['<', '<@a', '<@a,', '<a.', '<"', '<"\\', '<a@b.', '<[', '<a@[IPv6:'].map(
    (start) => start + (start.slice(1) || 'a').repeat(size / start.length),
  );
  const started = performance.now();
  for (const input of inputs) {
    assert.equal(parsePath(`${input}>`), null);
    assert.equal(parseMailbox(input), null);
  }
  assert.notEqual(parseParameters(' A'.repeat(size)), null);
  assert.equal(parseParameters(` A=${'b'.repeat(size)}\t`), null);
  assert.ok(performance.now() - started < 5000);
});

test('parameters come with upper-case keywords and raw values', () => {
  assert.deepEqual(parseParameters(''), new Map());
  assert.deepEqual(
    parseParameters(' size=100 BODY=8bitmime SmtpUtf8  ENVID=a+2Bb=c AUTH=<> '),
    new Map<string, string | true>([
      ['SIZE', '100'],
      ['BODY', '8bitmime'],
      ['SMTPUTF8', true],
      ['ENVID', 'a+2Bb=c'],
      ['AUTH', '<>'],
    ]),
  );
});

test('a keyword that stands twice is named', () => {
  assert.deepEqual(parseParameters(' SIZE=1 BODY=7BIT size=2'), { duplicate: 'SIZE' });
});

test('broken parameters are refused, also after a duplicate', () => {
  for (const rest of [
    'SIZE=1',
    '\tSIZE=1',
    ' SIZE=',
    ' =1',
    ' -A=1',
    ' A_B=1',
    ' É=1',
    ' A=1\0',
    ' A=1\tB=2',
    ' A\r\nB',
    ' A=\x7f',
    ' A A B=',
  ]) {
    assert.equal(parseParameters(rest), null, JSON.stringify(rest));
  }
});

test('mailboxes are the same when only the case of their domains differs', () => {
  assert.ok(sameMailbox('a@B.example', 'a@b.EXAMPLE'));
  assert.ok(sameMailbox('"x@y"@b', '"x@y"@B'));
  assert.ok(sameMailbox('postmaster', 'Postmaster'));
  assert.ok(sameMailbox('', ''));
  assert.ok(!sameMailbox('A@b', 'a@b'));
  assert.ok(!sameMailbox('a@b', 'a@c'));
  assert.ok(!sameMailbox('a@b', ''));
  assert.ok(!sameMailbox('"X@y"@b', '"x@y"@b'));
  assert.ok(!sameMailbox('postmaster', 'postmaster@b'));
});

test('isAscii tells which addresses need SMTPUTF8', () => {
  assert.ok(isAscii('a~\x7f'));
  assert.ok(!isAscii('aé'));
  assert.equal(domainOf('postmaster'), '');
});
