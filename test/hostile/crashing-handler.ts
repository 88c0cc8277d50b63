import { Connection } from '../../src/send/connection.js';
import { wrap } from '../crash/wrap.js';

/*
 * Loaded into a node before its program (`node --import`): what is sent to one recipient does what
 * the environment says, as a bug of ours would. The product itself knows nothing of it.
 *
 * `throws`: the attempt rejects. `dies`: the process is gone at once, as for want of memory.
 */

const recipient = process.env['HOSTILE_RECIPIENT'];
const bug = process.env['HOSTILE_BUG'];

wrap(
  Connection.prototype,
  'transact',
  (transact) =>
    async function (this: Connection, request) {
      if (request.recipients.some(({ address }) => address === recipient)) {
        if (bug === 'dies') process.kill(process.pid, 'SIGKILL');
        if (bug === 'throws') throw new TypeError('undefined is not a header');
      }
      return transact.call(this, request);
    },
);
