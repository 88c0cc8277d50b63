import { fieldValue, parseHeader, withoutFields } from '../format/header.js';
import { parseMeshContext, TRACE_HEADER, type MeshContext } from '../trace/propagate.js';

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
}

/** Reads the raw header section. Nothing that is kept is changed by a byte. */
export function readControlHeaders(section: Buffer): ControlHeaders {
  const { fields } = parseHeader(section);
  let received = 0;
  let messageId: string | null = null;
  let mesh: MeshContext | null = null;
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
      default:
        break;
    }
  }
  const kept = withoutFields(section, fields, (field) => field.name === TRACE_HEADER);
  return { kept, received, messageId, mesh };
}

/** A Message-ID stands in logs and pages: no control characters, at most 512 characters. */
function printable(value: string): string | null {
  // oxlint-disable-next-line no-control-regex
  const clean = value.replaceAll(/[\x00-\x1f\x7f]/g, '').slice(0, 512);
  return clean === '' ? null : clean;
}
