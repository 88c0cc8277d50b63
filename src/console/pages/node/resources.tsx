import type { ReactNode } from 'react';
import type { NodeStatus } from '../../../api/shape/node.js';
import { Bytes, Unknown } from '../../pieces/value.js';
import { formatBytes, formatDuration, formatMilliseconds } from '../../quantities.js';

/** A share from which it is worth a look, and one from which something has to be done. */
const WARN_SHARE = 0.8;
const BAD_SHARE = 0.95;
/** From which lags of the loop are worth a look, and from which mail suffers. */
const LAGS_MS = { p50: [20, 100], p99: [100, 500], max: [500, 2000] } as const;

type Folder = NodeStatus['disk']['queue'];

/** Memory, disk, and how promptly the event loop turns. */
export function Resources({ status }: { status: NodeStatus }): ReactNode {
  const { memory, disk, event_loop: loop } = status;
  return (
    <section className="panel" aria-labelledby="resources">
      <h2 id="resources">Resources</h2>
      <dl className="facts">
        <dt>Memory</dt>
        <dd>
          <Bytes value={memory.rss_bytes} /> <span className="soft">of the process, heap </span>
          <Bytes value={memory.heap_used_bytes} />
        </dd>
        <dt>Bodies in memory</dt>
        <dd>
          <Gauge used={memory.bodies_bytes} limit={memory.bodies_limit_bytes} />
        </dd>
        <FolderFacts title="Queue on disk" folder={disk.queue} reserve={disk.reserve_bytes} />
        <FolderFacts title="Traces on disk" folder={disk.trace} reserve={null} />
        <dt>Event loop lag</dt>
        <dd>
          <Lag title="p50" ms={loop.lag_p50_ms} /> <Lag title="p99" ms={loop.lag_p99_ms} />{' '}
          <Lag title="max" ms={loop.lag_max_ms} />{' '}
          <span className="soft">of the last {formatDuration(loop.window_seconds)}</span>
        </dd>
      </dl>
    </section>
  );
}

function FolderFacts({
  title,
  folder: { used_bytes: used, limit_bytes: limit, free_bytes: free },
  reserve,
}: {
  title: string;
  folder: Folder;
  reserve: number | null;
}): ReactNode {
  return (
    <>
      <dt>{title}</dt>
      <dd>
        {used === null ? (
          <Unknown why="the folder is still being measured" />
        ) : (
          <Gauge used={used} limit={limit} />
        )}
        <span className={reserve !== null && free !== null && free < 2 * reserve ? 'warn' : 'soft'}>
          {free === null ? ' · free space not known' : ` · ${formatBytes(free)} free`}
          {reserve !== null && `, ${formatBytes(reserve)} kept free`}
        </span>
      </dd>
    </>
  );
}

/** A value and, where there is a limit, how much of it that is. */
function Gauge({ used, limit }: { used: number; limit: number | null }): ReactNode {
  if (limit === null) {
    return (
      <>
        <Bytes value={used} /> <span className="soft">without a limit</span>
      </>
    );
  }
  const share = limit === 0 ? 1 : Math.min(1, used / limit);
  const tone = share >= BAD_SHARE ? 'bad' : share >= WARN_SHARE ? 'warn' : 'ok';
  return (
    <span className="gauge">
      <svg className="gauge-bar" data-tone={tone} aria-hidden="true" focusable="false">
        <rect className="gauge-ground" width="100%" height="100%" rx="3" />
        <rect className="gauge-used" width={`${Math.max(share * 100, 1)}%`} height="100%" rx="3" />
      </svg>
      <span>
        <Bytes value={used} /> <span className="soft">of {formatBytes(limit)}</span>
      </span>
    </span>
  );
}

function Lag({ title, ms }: { title: keyof typeof LAGS_MS; ms: number }): ReactNode {
  const [warn, bad] = LAGS_MS[title];
  const tone = ms >= bad ? 'bad' : ms >= warn ? 'warn' : undefined;
  return (
    <span className="lag">
      <span className="soft">{title}</span> <span className={tone}>{formatMilliseconds(ms)}</span>
    </span>
  );
}
