/**
 * The JSON of OpenTelemetry traces (opentelemetry-proto 1, its JSON mapping): ids are lower-case hex
 * digits, 64-bit integers decimal strings, enums numbers, keys in lowerCamelCase.
 */

export interface ExportTraceServiceRequest {
  resourceSpans: ResourceSpans[];
}

export interface ResourceSpans {
  resource: { attributes: KeyValue[] };
  scopeSpans: Array<{ scope: { name: string; version: string }; spans: Span[] }>;
}

export interface Span {
  traceId: string;
  spanId: string;
  /** Absent: the first span of its trace. */
  parentSpanId?: string;
  /** W3C trace flags, and above them whether the parent is known to be remote. */
  flags: number;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
  events?: SpanEvent[];
  droppedEventsCount?: number;
  links?: Array<{ traceId: string; spanId: string; attributes: KeyValue[] }>;
  status: { code?: number; message?: string };
}

export interface SpanEvent {
  timeUnixNano: string;
  name: string;
  attributes: KeyValue[];
}

export interface KeyValue {
  key: string;
  value: AnyValue;
}

export type AnyValue =
  | { stringValue: string }
  | { boolValue: boolean }
  | { intValue: string }
  | { doubleValue: number }
  | { arrayValue: { values: AnyValue[] } };

/** `Span.SpanKind` of the schema. */
export const SPAN_KIND = { client: 3, producer: 4, consumer: 5 } as const;
/** `Status.StatusCode` of the schema; what is no error stays unset. */
export const STATUS_ERROR = 2;
/** `SpanFlags` of the schema; every span of ours is recorded. */
export const SPAN_FLAGS = { sampled: 0x01, isRemoteKnown: 0x100, isRemote: 0x200 } as const;

/** Of a text in an attribute; what is longer is cut. */
const MAX_TEXT_CHARACTERS = 1000;

type Plain = string | number | boolean | readonly string[];

/** Attributes of these names; what is null, undefined or an empty list is left out. */
export function attributesOf(values: Record<string, Plain | null | undefined>): KeyValue[] {
  const attributes: KeyValue[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (value == null || (typeof value === 'object' && value.length === 0)) continue;
    attributes.push({ key, value: anyValue(value) });
  }
  return attributes;
}

/** Whole numbers become integers, all others doubles. */
function anyValue(value: Plain): AnyValue {
  switch (typeof value) {
    case 'string':
      return { stringValue: clipped(value) };
    case 'boolean':
      return { boolValue: value };
    case 'number':
      return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    default:
      return { arrayValue: { values: value.map((text) => ({ stringValue: clipped(text) })) } };
  }
}

export function clipped(text: string): string {
  if (text.length <= MAX_TEXT_CHARACTERS) return text;
  // never half of a surrogate pair: that is no UTF-8
  return `${text.slice(0, MAX_TEXT_CHARACTERS - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** @param ms since 1970; microseconds are kept. What is no time becomes 0, which is "unknown". */
export function unixNano(ms: number): string {
  return Number.isFinite(ms) && ms > 0 ? String(BigInt(Math.round(ms * 1000)) * 1000n) : '0';
}
