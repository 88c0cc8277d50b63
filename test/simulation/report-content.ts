import { decodeItem } from '../../src/queue/record-format.js';
import type { ReportedRecipient } from './ledger.js';

/** What a report says, as its reader understands it; null for what is no report. */
export interface ReportContent {
  node: string;
  queueId: string;
  recipients: ReportedRecipient[];
}

/** Reads the machine's part of a report (RFC 3464 §2). */
export function readReport(bytes: Buffer): ReportContent | null {
  const text = bytes.toString('latin1');
  const [, node] = /^Reporting-MTA: dns; ([^.\r\n]*)/m.exec(text) ?? [];
  const [, queueId] = /^Final-Log-ID: (\S+)/m.exec(text) ?? [];
  if (node === undefined || queueId === undefined) return null;
  const groups = text.split('\r\n\r\n').filter((group) => group.includes('Final-Recipient: '));
  const recipients = groups.map((group) => ({
    address: fieldOf(group, 'Final-Recipient').replace('rfc822; ', ''),
    action: fieldOf(group, 'Action'),
    status: fieldOf(group, 'Status'),
  }));
  return { node, queueId, recipients };
}

/** The same of a report that lies in a spool, its body in a file where there is one. */
export function readStoredReport(record: Buffer, file: Buffer | undefined): ReportContent | null {
  const decoded = decodeItem(record);
  return 'reason' in decoded ? null : readReport(file ?? decoded.body);
}

function fieldOf(group: string, name: string): string {
  return new RegExp(`^${name}: (.*?)\r?$`, 'm').exec(group)?.[1] ?? '';
}
