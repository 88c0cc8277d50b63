import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { VERSION } from '../../src/base/version.js';
import { chainToOtlp } from '../../src/trace/otlp.js';
import type { ChainHop, ChainTrace } from '../../src/trace/record.js';
import { formatTrackingStatus } from '../../src/trace/tracking-status.js';
import { renderWaterfall } from '../../src/trace/waterfall.js';
import {
  bounced,
  NOON_MS,
  retryingHop,
  sampleAttempt,
  sampleHop,
  sampleRecipient,
  sharedTier,
  threeHops,
  twoFates,
} from './chain-samples.js';

/*
 * The forms in which the API gives a path, of the same paths: `test/golden/NAME.*`. Each is a
 * contract with those who read it, so a change of a file is a change that they see. After one that
 * is meant: `UPDATE_GOLDEN=1 node --test dist/test/trace/golden-forms.test.js`, and read the diff.
 */

const NOW_MS = NOON_MS + 183_000;

/** One recipient goes on by way of core, the other is refused, and the sender hears of it. */
function bouncedFanOut(): ChainTrace {
  const chain = twoFates();
  const [edge] = chain.hops as [ChainHop];
  const accepted = { enhanced_code: '2.0.0', description: '2.0.0 Ok: queued as 7C01' };
  chain.hops.push(
    sampleHop('edge', 25, {
      span_id: 'hop-bounce',
      parent_span_id: edge.span_id,
      queue_id: '01KJZ0000EDGE0002B',
      protocol: 'local',
      client: { address: '', helo: '', user: null },
      envelope: { sender: '', recipients: ['alice@example.com'] },
      bounce_of: edge.queue_id,
      attempts: [
        sampleAttempt('b1', 26, 'mx-in', {
          ...accepted,
          user: null,
          remote_queue_id: '7C01',
          recipients: ['alice@example.com'],
        }),
      ],
      recipients: [sampleRecipient('relayed', { ...accepted, address: 'alice@example.com' })],
    }),
  );
  return chain;
}

/** The samples name their spans; a span id is eight bytes in hex. */
function withSpanIds(chain: ChainTrace): ChainTrace {
  return JSON.parse(JSON.stringify(chain), (key, value: unknown) =>
    key.endsWith('span_id') && typeof value === 'string'
      ? Buffer.from(value.padEnd(8, '.').slice(0, 8)).toString('hex')
      : value,
  ) as ChainTrace;
}

const PATHS: Readonly<Record<string, ChainTrace>> = {
  'three-hops-delivered': withSpanIds(threeHops()),
  'hop-retrying': withSpanIds(retryingHop()),
  bounced: withSpanIds(bounced()),
  'bounced-fan-out': withSpanIds(bouncedFanOut()),
  'shared-tier': withSpanIds(sharedTier()),
};

/** By the end of the file's name. CR LF is shown as LF. */
const FORMS: Readonly<Record<string, (chain: ChainTrace) => string>> = {
  json: (chain) => `${JSON.stringify(chain, null, 2)}\n`,
  txt: (chain) => renderWaterfall(chain, { width: 100, color: false, nowMs: NOW_MS }),
  'otlp.json': (chain) => {
    const spans = chainToOtlp(chain, { addresses: 'domain', nowMs: NOW_MS });
    const text = JSON.stringify(spans, null, 2);
    return `${text.replaceAll(`"version": "${VERSION}"`, '"version": "VERSION"')}\n`;
  },
  'tracking-status': (chain) => unixLines(formatTrackingStatus(chain, 'message/tracking-status')),
  'multipart-related': (chain) => unixLines(formatTrackingStatus(chain, 'multipart/related')),
};

function unixLines({ type, content }: ReturnType<typeof formatTrackingStatus>): string {
  assert.ok(!/(?<!\r)\n|\r(?!\n)/.test(content), 'every line ends with CR LF');
  return `Content-Type: ${type}\n\n${content.replaceAll('\r\n', '\n')}`;
}

for (const [name, chain] of Object.entries(PATHS)) {
  for (const [form, render] of Object.entries(FORMS)) {
    test(`${name} as ${form} is as in its golden file`, () => {
      const file = `test/golden/${name}.${form}`;
      const shown = render(chain);
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, shown);
      assert.equal(shown, readFileSync(file, 'utf8'));
    });
  }
}
