import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, classifyAddress } from '../../src/policy/address-class.js';
import { hostileTest } from '../hostile/rows.js';

hostileTest('steering-hosts', 'every spelling of an address comes to one', (_t, cases) => {
  const spellings: ReadonlyArray<[text: string, canonical: string]> = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['::', '::'],
    ['0::0', '::'],
    ['::1', '::1'],
    ['::192.0.2.1', '::c000:201'],
  ];
  for (const [text, canonical] of spellings) {
    cases.add();
    assert.equal(canonicalAddress(text), canonical, text);
  }
});

hostileTest(
  'steering-hosts',
  'what only some programs take for an address is none',
  (_t, cases) => {
    for (const text of [
      '2130706433',
      '0x7f.1',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '127.0.0.01',
      '127.0.0.1.',
      ' 127.0.0.1',
      '127.0.0.1:25',
      '[::1]',
      '::1%lo',
      'fe80::1%eth0',
      'localhost',
      '',
      '1.2.3.4.5',
      '256.0.0.1',
      ':::',
    ]) {
      cases.add();
      assert.equal(canonicalAddress(text), null, text);
    }
  },
);

hostileTest(
  'steering-hosts',
  'addresses that are not simply hosts of the internet are known, also inside of others',
  (_t, cases) => {
    const classes: Readonly<Record<string, readonly string[]>> = {
      loopback: ['127.0.0.1', '127.255.255.254', '::1', '64:ff9b::7f00:1', '::127.0.0.1'],
      private: [
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.0.1',
        '100.64.0.1',
        '100.127.255.255',
        'fc00::1',
        'fdff::1',
        'fec0::1',
        '64:ff9b::10.0.0.1',
        '64:ff9b:1::1',
        '2002:0a00:0001::1',
        '::192.168.0.1',
      ],
      'link-local': ['169.254.169.254', 'fe80::1', 'febf::1', '64:ff9b::169.254.169.254'],
      unspecified: ['0.0.0.0', '0.1.2.3', '::'],
      multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
      reserved: ['255.255.255.255', '240.0.0.1', '192.0.0.8', '198.18.0.1', '64:ff9b::ffff:ffff'],
    };
    for (const [kind, addresses] of Object.entries(classes)) {
      for (const address of addresses) {
        cases.add();
        const canonical = canonicalAddress(address) ?? assert.fail(address);
        assert.equal(classifyAddress(canonical), kind, address);
      }
    }
  },
);

test('hosts of the internet have no class', () => {
  for (const address of [
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '192.0.1.1',
    '192.167.0.1',
    '223.255.255.255',
    '2606:4700::1111',
    '64:ff9b::1.1.1.1',
    '2002:0101:0101::1',
    'fbff::1',
    'fe7f::1',
  ]) {
    const canonical = canonicalAddress(address) ?? assert.fail(address);
    assert.equal(classifyAddress(canonical), null, address);
  }
});
