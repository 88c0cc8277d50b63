import type { OutgoingMessage } from '../send/request.js';
import type { Item } from './item.js';

/** What an attempt has to know of a message. */
export function outgoing(item: Item): OutgoingMessage {
  return {
    queueId: item.id,
    sender: item.sender,
    ret: item.ret,
    envid: item.envid,
    smtpUtf8: item.smtpUtf8,
    eightBit: item.eightBit,
    requireTls: item.requireTls === true,
    sizeBytes: item.body.sizeBytes,
    trace: { traceId: item.trace.traceId, path: item.trace.path },
    doubt: item.doubt,
    ...(item.acceptedBy === undefined ? {} : { acceptedBy: item.acceptedBy }),
  };
}
