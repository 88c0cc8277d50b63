import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/*
 * Reports as a program reads them that shares nothing with us: the email package of Python. Its
 * parser knows message/delivery-status; the types of RFC 6533, which it does not know, are opaque to
 * it, so that their transfer encoding is undone first.
 */

export interface IndependentReport {
  /** Header of the whole; names in lower case. */
  header: Record<string, string>;
  type: string;
  reportType: string | null;
  parts: Array<{ type: string; encoding: string | null; text: string }>;
  /** The groups of the delivery status, names in lower case. */
  groups: Array<Record<string, string>>;
  defects: string[];
}

const SCRIPT = `
import email, json, sys
from email import policy

raw = sys.stdin.buffer.read()
for name in (b'global-delivery-status', b'global-headers', b'global'):
    raw = raw.replace(b'Content-Type: message/' + name + b'\\r\\n', b'Content-Type: application/x-' + name + b'\\r\\n')

def text(value):
    return str(value).encode('utf-8', 'surrogateescape').decode('utf-8')

def fields(message):
    return {name.lower(): ' '.join(text(value).split()) for name, value in message.raw_items()}

message = email.message_from_bytes(raw, policy=policy.compat32)
parts, groups = [], []
for part in message.get_payload():
    kind = part.get_content_type().replace('application/x-', 'message/')
    if kind == 'message/delivery-status':
        groups = [fields(group) for group in part.get_payload()]
        content = ''
    elif kind == 'message/rfc822':
        content = part.get_payload(0).as_bytes().decode('latin1')
    else:
        content = part.get_payload(decode=True)
        if kind == 'message/global-delivery-status':
            status = email.message_from_bytes(b'Content-Type: message/delivery-status\\r\\n\\r\\n' + content)
            groups = [fields(group) for group in status.get_payload()]
        content = content.decode('utf-8', 'replace')
    parts.append({'type': kind, 'encoding': part.get('content-transfer-encoding'), 'text': content})
print(json.dumps({
    'header': fields(message),
    'type': message.get_content_type(),
    'reportType': message.get_param('report-type'),
    'parts': parts,
    'groups': groups,
    'defects': [type(one).__name__ for part in message.walk() for one in part.defects],
}))
`;

/** Why no test with it can run here, or false. */
export const withoutPython: string | false =
  spawnSync('python3', ['-c', 'import email']).status === 0 ? false : 'python3 is not here';

/** Takes a report apart; fails where it is no report at all. */
export function readIndependently(report: Buffer | string): IndependentReport {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', SCRIPT], {
    input: report,
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as IndependentReport;
}
