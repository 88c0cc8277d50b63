import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';

type Done = () => void;

/**
 * The commands that no transaction knows of (RFC 5321 §3.5, §4.1.1.6, §4.1.1.7, §4.1.1.10), where
 * the library lacks them or answers otherwise.
 */
export class PlainCommands extends SMTPConnection {
  /** §7.3: a relay verifies nothing, and its answer must not look as if it had. */
  override handler_VRFY(command: Buffer, callback: Done): void {
    if (argumentOf(command) === '') {
      this.send(501, '5.5.4 Syntax: VRFY name', false);
    } else {
      this.send(252, '2.5.2 Addresses are not verified here; mail for it may be taken', false);
    }
    callback();
  }

  handler_EXPN(command: Buffer, callback: Done): void {
    if (argumentOf(command) === '') {
      this.send(501, '5.5.4 Syntax: EXPN list', false);
    } else {
      this.send(252, '2.5.2 Lists are not expanded here', false);
    }
    callback();
  }

  override handler_QUIT(command: Buffer, callback: Done): void {
    if (this.refusesArgument(command)) {
      callback();
    } else {
      super.handler_QUIT(command, callback);
    }
  }

  /** RFC 4954 §4: AUTH without a mechanism is broken, not an unknown mechanism. */
  override handler_AUTH(command: Buffer, callback: Done): void {
    if (argumentOf(command) === '') {
      this.send(501, '5.5.4 Syntax: AUTH mechanism', false);
      callback();
    } else {
      super.handler_AUTH(command, callback);
    }
  }

  /** §4.1.1: RSET and QUIT take no argument. True when there is one, and the reply was sent. */
  protected refusesArgument(command: Buffer): boolean {
    const refused = argumentOf(command) !== '';
    if (refused) {
      this.send(501, '5.5.4 The command takes no argument', false);
    }
    return refused;
  }
}

/** What stands behind the verb, without white space around it. */
function argumentOf(command: Buffer): string {
  // No pattern does both ends: a run of white space in the middle would cost its square.
  return command.toString('latin1').replace(/^\S*/, '').trim();
}
