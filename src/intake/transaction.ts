import { isQueueId } from '../base/identifiers.js';
import { isAscii, parseParameters, parsePath } from '../format/address.js';
import type { Envelope, EnvelopeRecipient } from '../format/envelope.js';
import { decodeXtext } from '../format/xtext.js';
import type { Identity } from '../policy/credentials.js';
import type { HandedOver } from '../queue/delivery-keys.js';
import { decodeXmesh, type MeshContext } from '../trace/propagate.js';
import { isCleanXtext, isOrcpt, MAX_ENVID, parseNotify, parseRet } from './dsn-values.js';
import { refuse, type Refusal } from './refusal.js';

/**
 * The envelope of one mail transaction. The library's own list is not used: it compares local
 * parts without case, rewrites A-labels, and lets a refused MAIL leave its parameters behind.
 */
export interface Transaction extends Envelope {
  /** RFC 8689. */
  requireTls: boolean;
  /** The context that a link's peer sent along, or null. */
  mesh: MeshContext | null;
  /** What the peer calls the message, so that a repeat is recognised; null from anybody else. */
  handedOver: HandedOver | null;
  /** SIZE of MAIL FROM, or null. */
  declaredBytes: number | null;
}

export interface TransactionContext {
  identity: Identity | null;
  /** The session is protected by TLS. */
  secure: boolean;
  maxMessageBytes: number;
  maxRecipients: number;
}

type Parameters = Map<string, string | true>;

/** A transaction that nothing is said of but its sender. */
export function newTransaction(sender: string): Transaction {
  return {
    sender,
    recipients: [],
    ret: null,
    envid: null,
    smtpUtf8: false,
    eightBitMime: false,
    requireTls: false,
    mesh: null,
    handedOver: null,
    declaredBytes: null,
  };
}

/** @param argument what stands behind `MAIL FROM:` */
export function beginTransaction(
  argument: string,
  context: TransactionContext,
): Transaction | Refusal {
  const path = parsePath(argument.trimStart());
  if (path === null) {
    return refuse(501, '5.1.7', 'Bad sender address syntax; example: MAIL FROM:<name@example.org>');
  }
  const parameters = readParameters(path.rest);
  if ('code' in parameters) {
    return parameters;
  }
  const transaction = newTransaction(path.address.address);
  for (const [keyword, value] of parameters) {
    const handle = Object.hasOwn(MAIL_PARAMETERS, keyword) ? MAIL_PARAMETERS[keyword] : undefined;
    const refusal =
      handle === undefined
        ? refuse(555, '5.5.4', `MAIL FROM parameter ${keyword} is not recognized`)
        : handle(transaction, value, context);
    if (refusal !== null) {
      return refusal;
    }
  }
  if (!transaction.smtpUtf8 && !isAscii(transaction.sender)) {
    return refuse(553, '5.6.7', 'A sender address that is not ASCII needs SMTPUTF8');
  }
  return transaction;
}

/** Adds a recipient. @param argument what stands behind `RCPT TO:` */
export function addRecipient(
  transaction: Transaction,
  argument: string,
  context: TransactionContext,
): Refusal | null {
  const path = parsePath(argument.trimStart());
  if (path === null || path.address.address === '') {
    return refuse(
      501,
      '5.1.3',
      'Bad recipient address syntax; example: RCPT TO:<name@example.org>',
    );
  }
  const parameters = readParameters(path.rest);
  if ('code' in parameters) {
    return parameters;
  }
  const recipient: EnvelopeRecipient = { address: path.address.address, notify: null, orcpt: null };
  for (const [keyword, value] of parameters) {
    const refusal = readRecipientParameter(recipient, keyword, value);
    if (refusal !== null) {
      return refusal;
    }
  }
  if (!transaction.smtpUtf8 && !isAscii(recipient.address)) {
    return refuse(553, '5.6.7', 'A recipient address that is not ASCII needs SMTPUTF8');
  }
  // RFC 6533 §3: the next hop may be one that takes only ASCII there.
  if (!transaction.smtpUtf8 && !isAscii(recipient.orcpt ?? '')) {
    return refuse(553, '5.6.7', 'An original recipient that is not ASCII needs SMTPUTF8');
  }
  if (transaction.recipients.length >= context.maxRecipients) {
    return refuse(452, '4.5.3', `Too many recipients; at most ${context.maxRecipients} a message`);
  }
  transaction.recipients.push(recipient);
  return null;
}

function readParameters(rest: string): Parameters | Refusal {
  const parameters = parseParameters(rest);
  if (parameters === null) {
    return refuse(501, '5.5.4', 'Bad parameter syntax');
  }
  return 'duplicate' in parameters
    ? refuse(501, '5.5.4', `Parameter ${parameters.duplicate} is given twice`)
    : parameters;
}

type MailParameter = (
  transaction: Transaction,
  value: string | true,
  context: TransactionContext,
) => Refusal | null;

const MAIL_PARAMETERS: Readonly<Record<string, MailParameter>> = {
  // RFC 1870 §6.1
  SIZE(transaction, value, { maxMessageBytes }) {
    if (value === true || !/^\d{1,20}$/.test(value)) {
      return refuse(501, '5.5.4', 'SIZE takes a number of bytes');
    }
    transaction.declaredBytes = Number(value);
    return transaction.declaredBytes > maxMessageBytes
      ? refuse(552, '5.3.4', `Message is larger than the ${maxMessageBytes} bytes taken here`)
      : null;
  },
  // RFC 6152 §2
  BODY(transaction, value) {
    const body = value === true ? '' : value.toUpperCase();
    transaction.eightBitMime = body === '8BITMIME';
    return body === '8BITMIME' || body === '7BIT'
      ? null
      : refuse(501, '5.5.4', 'BODY takes 7BIT or 8BITMIME');
  },
  // RFC 6531 §3.4
  SMTPUTF8(transaction, value) {
    transaction.smtpUtf8 = true;
    return value === true ? null : refuse(501, '5.5.4', 'SMTPUTF8 takes no value');
  },
  // RFC 8689 §2: in clear text it is not offered, and so not known.
  REQUIRETLS(transaction, value, { secure }) {
    if (!secure) {
      return refuse(555, '5.5.4', 'REQUIRETLS is taken inside of TLS only; send STARTTLS first');
    }
    transaction.requireTls = true;
    return value === true ? null : refuse(501, '5.5.4', 'REQUIRETLS takes no value');
  },
  // RFC 3461 §4.3
  RET(transaction, value) {
    transaction.ret = value === true ? null : parseRet(value);
    return transaction.ret === null ? refuse(501, '5.5.4', 'RET takes FULL or HDRS') : null;
  },
  // RFC 3461 §4.4
  ENVID(transaction, value) {
    if (value === true || value.length > MAX_ENVID || !isCleanXtext(value)) {
      return refuse(501, '5.5.4', `ENVID takes xtext of at most ${MAX_ENVID} characters`);
    }
    transaction.envid = value;
    return null;
  },
  // RFC 4954 §5: taken, and not passed on, since we do not vouch for it.
  AUTH(_transaction, value) {
    const valid = value !== true && (value === '<>' || decodeXtext(value) !== null);
    return valid ? null : refuse(501, '5.5.4', 'AUTH takes xtext or <>');
  },
  // INTERFACES: between nodes
  XMESH(transaction, value, { identity }) {
    if (identity === null || identity.peer === null) {
      return refuse(555, '5.5.4', 'XMESH is for the nodes of this mesh');
    }
    const mesh = value === true ? null : decodeXmesh(value);
    if (mesh === null) {
      return refuse(501, '5.5.4', 'XMESH value is malformed');
    }
    transaction.mesh = mesh;
    if (isQueueId(mesh.queueId)) {
      const { queueId, doubt } = mesh;
      transaction.handedOver = { node: acceptorOf(mesh, identity, identity.peer), queueId, doubt };
    }
    return null;
  },
};

/**
 * The name by which a repeat is recognised: the one that the peer logged in with, so that no peer can
 * make another one's mail look like a repeat. The nodes of a tier go on with the mail of one another:
 * to the next hop it is that of the node which took it.
 */
function acceptorOf({ node }: MeshContext, { sharesWith }: Identity, peer: string): string {
  return sharesWith?.includes(node) === true ? node : peer;
}

function readRecipientParameter(
  recipient: EnvelopeRecipient,
  keyword: string,
  value: string | true,
): Refusal | null {
  switch (keyword) {
    // RFC 3461 §4.1
    case 'NOTIFY': {
      recipient.notify = value === true ? null : parseNotify(value);
      return recipient.notify === null
        ? refuse(501, '5.5.4', 'NOTIFY takes NEVER, or a list of SUCCESS, FAILURE, DELAY')
        : null;
    }
    // RFC 3461 §4.2
    case 'ORCPT': {
      if (value === true || !isOrcpt(value)) {
        return refuse(501, '5.5.4', 'ORCPT takes an address type, a semicolon and xtext');
      }
      recipient.orcpt = value;
      return null;
    }
    default:
      return refuse(555, '5.5.4', `RCPT TO parameter ${keyword} is not recognized`);
  }
}
