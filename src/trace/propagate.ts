import { decodeXtext, encodeXtext } from '../format/xtext.js';

/**
 * The trace context between nodes (INTERFACES: between nodes): the value of `XMESH` on MAIL FROM
 * and of the `X-Mesh-Trace` header through foreign hops.
 * `1;<traceparent>;<sending node>;<queue id>;<path, comma-separated>;<doubt: 0 or 1>`
 */
export interface MeshContext {
  traceId: string;
  /** Span of the attempt that carries the message here; parent of the receiving hop's span. */
  spanId: string;
  /** The sending node and its queue id: with the recipient, the delivery key. */
  node: string;
  queueId: string;
  /** Every mesh node so far, the sending one last. */
  path: string[];
  /** The sender cannot tell whether an earlier transaction with this key was taken. */
  doubt: boolean;
}

export const TRACE_HEADER = 'x-mesh-trace';
/** The field in which an application says to which of its own spans the message belongs. */
export const TRACEPARENT_HEADER = 'traceparent';

/** A span of whoever handed the message in (W3C Trace Context). */
export interface ParentSpan {
  traceId: string;
  spanId: string;
}

/** Longest path that is believed; longer ones are loops or forgeries. */
export const MAX_PATH_NODES = 100;
const MAX_VALUE_CHARACTERS = 8192;
const NODE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** W3C Trace Context, version 00: version, trace id, parent id, flags. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;
/** Later versions may say more behind it; `ff` is none. */
const LATER_TRACEPARENT =
  /^(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$/;
const ALL_ZERO = /^0+$/;

export function formatMeshContext(context: MeshContext): string {
  return [
    '1',
    formatTraceparent(context),
    context.node,
    context.queueId,
    context.path.join(','),
    context.doubt ? '1' : '0',
  ].join(';');
}

/** Null for anything that is not exactly of the form: a context is believed whole or not at all. */
export function parseMeshContext(value: string): MeshContext | null {
  if (value.length > MAX_VALUE_CHARACTERS) {
    return null;
  }
  const parts = value.split(';');
  const [version, traceparent, node, queueId, path, doubt] = parts;
  if (parts.length !== 6 || version !== '1' || (doubt !== '0' && doubt !== '1')) {
    return null;
  }
  const ids = spanOf(TRACEPARENT.exec(traceparent ?? ''));
  if (ids === null) {
    return null;
  }
  const nodes = (path ?? '').split(',');
  if (nodes.length > MAX_PATH_NODES || !nodes.every((name) => NODE_NAME.test(name))) {
    return null;
  }
  if (node === undefined || !NODE_NAME.test(node) || !/^[0-9A-Z]{1,32}$/.test(queueId ?? '')) {
    return null;
  }
  return { ...ids, node, queueId: queueId as string, path: nodes, doubt: doubt === '1' };
}

/** The value of a `traceparent` (W3C Trace Context §3.2). */
export function formatTraceparent({ traceId, spanId }: ParentSpan): string {
  return `00-${traceId}-${spanId}-01`;
}

/** The value of a `traceparent` (W3C Trace Context §3.2), or null when it is not of that form. */
export function parseTraceparent(value: string): ParentSpan | null {
  return spanOf(TRACEPARENT.exec(value) ?? LATER_TRACEPARENT.exec(value));
}

function spanOf(match: RegExpExecArray | null): ParentSpan | null {
  const [, traceId, spanId] = match ?? [];
  return traceId === undefined ||
    spanId === undefined ||
    ALL_ZERO.test(traceId) ||
    ALL_ZERO.test(spanId)
    ? null
    : { traceId, spanId };
}

/** The value of the `XMESH` parameter. */
export function encodeXmesh(context: MeshContext): string {
  return encodeXtext(formatMeshContext(context));
}

export function decodeXmesh(parameter: string): MeshContext | null {
  const value = decodeXtext(parameter);
  return value === null ? null : parseMeshContext(value);
}
