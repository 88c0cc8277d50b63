import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countSyncs, parseSinkCounter } from './counters.js';

test('the last whole line of the counter counts', () => {
  assert.equal(parseSinkCounter(''), 0);
  assert.equal(parseSinkCounter('sess=1 quit=0 mesg=1\rsess=1 quit=0 mesg=23\r'), 23);
  assert.equal(parseSinkCounter('mit=0 mesg=5\rsess=1 quit=0 mesg=6\rsess=1 quit=0 mesg=1'), 6);
});

test('a sync that another thread interrupts counts once', () => {
  const trace = `11 fdatasync(18 <unfinished ...>
12 fsync(3)                         = 0
11 <... fdatasync resumed>)         = 0
11 --- SIGUSR1 {si_signo=SIGUSR1} ---
11 fdatasync(18)                    = -1 EIO (Input/output error)
`;
  assert.equal(countSyncs(trace), 3);
  assert.equal(countSyncs('fsync(3) = 0\n'), 1);
  assert.equal(countSyncs(''), 0);
});
