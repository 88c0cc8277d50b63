import type { NextHop } from '../../send/next-hop.js';
import type { SessionFault } from '../../send/session-fault.js';

/** What the topology says about the other end and that helps to find a fault. */
export interface HintContext {
  /** Name of the secret that holds the password. */
  secret: string | undefined;
  /** The login is that of a link, so that the other end knows it from the same file. */
  ofLink: boolean;
}

/** What to do about a session that failed: one sentence for people, never with a secret in it. */
export function hintFor(fault: SessionFault, hop: NextHop, context: HintContext): string {
  const { stage, result, message } = fault;
  const who = hop.kind === 'node' ? `node '${hop.name}'` : hop.name;
  switch (stage) {
    case 'connect':
      return connectHint(message, result === 'timeout', who);
    case 'greeting':
    case 'ehlo':
      return result === 'timeout' || result === 'invalid'
        ? 'is this port SMTP, and does `implicit-tls` fit it (465: yes, 25 and 587: no)?'
        : `${who} refuses this machine at the moment: see its log`;
    case 'starttls':
      return tlsHint(message, hop, who);
    case 'auth':
      return authHint(fault, hop, context, who);
    default:
      return `see the log of ${who}`;
  }
}

function connectHint(message: string, isLate: boolean, who: string): string {
  if (message.includes('ECONNREFUSED')) return `nothing listens there: is ${who} running?`;
  if (/does not exist|cannot be resolved|ENOTFOUND|EAI_/.test(message)) {
    return 'check the name, and the DNS or hosts file of this machine';
  }
  if (/EHOSTUNREACH|ENETUNREACH/.test(message)) return 'this machine has no way to that network';
  return isLate
    ? 'a firewall may drop the connection, or the address is wrong'
    : `see whether ${who} is running and reachable from this machine`;
}

function tlsHint(message: string, hop: NextHop, who: string): string {
  const name = hop.servername ?? hop.host;
  if (/altname|does not match/i.test(message)) {
    return `give ${who} a certificate that carries ${name}, or call it by a name that its certificate carries`;
  }
  if (/expired|not yet valid/i.test(message)) return `renew the certificate of ${who}`;
  if (/self-signed|self signed|unable to (get|verify)|issuer/i.test(message)) {
    return `name the CA that signed the certificate of ${who} in \`tls: { ca }\``;
  }
  if (/verified/i.test(message))
    return `the certificate of ${who} must carry ${name} and come from a known CA`;
  return `does ${who} offer TLS on this port? \`tls: ${hop.tls}\` sends no mail without it`;
}

function authHint(fault: SessionFault, hop: NextHop, context: HintContext, who: string): string {
  const { code, message } = fault;
  const user = hop.login?.username ?? '';
  if (/clear text/.test(message)) return `let ${who} offer TLS, or set \`tls: required\` here`;
  if (/access token/.test(message))
    return 'see what `token` names: a file, or a program that prints it';
  if (hop.login !== undefined && 'certificate' in hop.login) {
    return `the log of ${who} says why it does not take the certificate: see \`certificate-refused\` there`;
  }
  if (code === null)
    return `compare the mechanisms that ${who} offers with PLAIN, LOGIN and CRAM-MD5`;
  if (code >= 400 && code <= 499) return `${who} cannot check logins at the moment: see its log`;
  const secret = context.secret === undefined ? 'the password' : `secret '${context.secret}'`;
  return context.ofLink
    ? `is ${secret} the same here and where ${who} runs, and was that node reloaded since it changed?`
    : `compare user '${user}' and ${secret} with what ${who} knows`;
}
