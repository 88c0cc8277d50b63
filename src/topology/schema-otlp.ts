import { z } from 'zod';
import { doc, passwordSchema } from './schema-values.js';

/** The part of the topology file that says where spans are sent. */

export const MAX_HEADERS = 20;
/** RFC 9110 §5.6.2, and lower case so that no name stands twice. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/;
/** Of the request itself, which are not for the operator to say. */
const OWN_HEADERS = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What stands in a header (RFC 9110 §5.5), as far as everybody can send it. */
const HEADER_VALUE = /^[\x20-\x7E]{1,4096}$/;

/** Whether a header of the export may have this name. */
export function isExportHeader(name: string): boolean {
  return HEADER_NAME.test(name) && !OWN_HEADERS.has(name);
}

export function isHeaderValue(value: string): boolean {
  return HEADER_VALUE.test(value);
}

/** The URL to post to, or undefined for what is none: a bare origin gets the path of the protocol. */
export function tracesUrl(endpoint: string): string | undefined {
  if (!URL.canParse(endpoint) || !/^https?:\/\/\S+$/.test(endpoint)) return undefined;
  const url = new URL(endpoint);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return undefined;
  if (url.pathname === '/' && url.search === '') url.pathname = '/v1/traces';
  return url.href;
}

export const otlpEndpointSchema = z
  .string()
  .max(2000)
  .refine((endpoint) => tracesUrl(endpoint) !== undefined, {
    message: 'must be an http or https URL without a login; a login stands in `headers`',
  })
  .meta({ pattern: '^https?://' })
  .meta(
    doc(
      'URL of an OpenTelemetry collector that takes OTLP/HTTP, as in http://127.0.0.1:4318; without a path /v1/traces is added.',
      'http://127.0.0.1:4318',
      'https://otlp.example.com/v1/traces',
    ),
  );

export const otlpAddressesSchema = z
  .enum(['domain', 'full'])
  .meta(
    doc(
      'What spans say of mail addresses: only the `domain`, also in the words of remotes, or the `full` address. Default: domain.',
      'full',
    ),
  );

export const otlpTimeoutSchema = z
  .int()
  .min(1)
  .max(300)
  .meta(
    doc(
      'Seconds that the collector may take for one request; then it is sent again later. Default: 10.',
      30,
    ),
  );

const headersSchema = z
  .record(
    z.string().refine(isExportHeader, {
      message: 'must be the name of a header in lower case, and not one that HTTP itself sets',
    }),
    z
      .union([
        z
          .string()
          .refine(isHeaderValue, { message: 'must be 1 to 4096 printable ASCII characters' }),
        passwordSchema,
      ])
      .meta(
        doc(
          'Value of this header: text, or { secret: NAME } for what opens something.',
          'tenant-7',
          {
            secret: 'otlp',
          },
        ),
      ),
  )
  .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, {
    message: `may have at most ${MAX_HEADERS} entries`,
  })
  .meta(
    doc(
      'Headers of each request; a value that opens something is { secret: NAME }, never plain text. Default none.',
      { authorization: { secret: 'otlp' } },
    ),
  );

export const otlpSchema = z
  .union([
    z.literal('none'),
    z.strictObject({
      endpoint: otlpEndpointSchema,
      headers: headersSchema.default({}),
      addresses: otlpAddressesSchema.default('domain'),
      timeout: otlpTimeoutSchema.default(10),
      ca: z
        .string()
        .min(1)
        .optional()
        .meta(
          doc(
            'PEM file of a CA that the collector is verified with, beside those of Node. Default: those alone.',
            'pki/collector-ca.pem',
          ),
        ),
    }),
  ])
  .meta(
    doc(
      'Where the spans of this node are sent as they end, beside being kept: an OpenTelemetry collector. `none`: nowhere, also where `defaults` names one. Default: nowhere.',
      { endpoint: 'http://127.0.0.1:4318' },
      'none',
    ),
  );

export type OtlpEntry = Exclude<z.output<typeof otlpSchema>, 'none'>;
