import {
  fieldValue,
  leadingContinuationEnd,
  parseHeader,
  withoutFields,
  type HeaderField,
} from '../format/header.js';
import {
  parseMeshContext,
  parseTraceparent,
  TRACE_HEADER,
  TRACEPARENT_HEADER,
  type MeshContext,
  type ParentSpan,
} from '../trace/propagate.js';
import { STEERING_PREFIX } from './header-settings.js';

/** RFC 5321 §6.3: so many Received lines mean a loop. */
export const MAX_RECEIVED = 100;

/** What the header section of an arriving message says to us, and what is kept of it. */
export interface ControlHeaders {
  /** The header section without the fields that are meant for us, as slices. */
  kept: Buffer[];
  received: number;
  messageId: string | null;
  /** The trace context in `X-Mesh-Trace`, believed or not; null when there is none of that form. */
  mesh: MeshContext | null;
  /** The span in `traceparent`; null when there is none, or several. */
  parent: ParentSpan | null;
  /** The `x-mq-` fields, in order, obeyed or not. */
  steering: HeaderField[];
  /**
   * An `x-mq-` line stands behind a line that is no header field: to some readers it is a field of
   * the header, to others text, and it may hold a password.
   */
  ambiguous: boolean;
}

/**
 * Reads the raw header section. Nothing that is kept is changed by a byte. Lines that it begins
 * with although they continue nothing will continue our own line, so that fields behind them count.
 */
export function readControlHeaders(section: Buffer): ControlHeaders {
  const { fields, end } = parseHeader(section, leadingContinuationEnd(section));
  const steering: HeaderField[] = [];
  let received = 0;
  let messageId: string | null = null;
  let mesh: MeshContext | null = null;
  const parents: string[] = [];
  for (const field of fields) {
    switch (field.name) {
      case 'received':
        received++;
        break;
      case 'message-id':
        messageId ??= printable(fieldValue(section, field, 1000));
        break;
      case TRACE_HEADER:
        mesh ??= parseMeshContext(fieldValue(section, field, 8192));
        break;
      case TRACEPARENT_HEADER:
        parents.push(fieldValue(section, field, 256));
        break;
      default:
        if (field.name.startsWith(STEERING_PREFIX)) {
          steering.push(field);
        }
        break;
    }
  }
  const kept = withoutFields(
    section,
    fields,
    ({ name }) => name === TRACE_HEADER || name.startsWith(STEERING_PREFIX),
  );
  const [traceparent = '', ...others] = parents;
  const parent = others.length > 0 ? null : parseTraceparent(traceparent);
  return {
    kept,
    received,
    messageId,
    mesh,
    parent,
    steering,
    ambiguous: hasSteeringLine(section, end),
  };
}

/** True when a line from the offset `start` on begins like a steering field. */
function hasSteeringLine(section: Buffer, start: number): boolean {
  return section.length - start > 2 && /^x-mq-/im.test(section.toString('latin1', start));
}

/** A Message-ID stands in logs and pages: no control characters, at most 512 characters. */
function printable(value: string): string | null {
  // oxlint-disable-next-line no-control-regex
  const clean = value.replaceAll(/[\x00-\x1f\x7f]/g, '').slice(0, 512);
  return clean === '' ? null : clean;
}
