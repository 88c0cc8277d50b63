import type { NodeHistory } from '../api/shape/node.js';

type Series = NodeHistory['received'];

/**
 * The last hour of all workers as that of one node. Their steps end within ten seconds of each other
 * and are counted from the latest one on, so that a figure may stand one step beside its own; a step
 * is a gap only where none of them ran. A worker that was started again has forgotten its hour.
 *
 * @param parts one at least
 */
export function mergeHistory(parts: readonly NodeHistory[]): NodeHistory {
  const [first] = parts as [NodeHistory, ...NodeHistory[]];
  const sum = (of: (part: NodeHistory) => Series): Series =>
    mergeSteps(parts.map(of), (values) => values.reduce((all, value) => all + value, 0));
  return {
    node: first.node,
    asked_at: greatest(parts.map(({ asked_at: at }) => at)),
    from: greatest(parts.map(({ from }) => from)),
    step_seconds: first.step_seconds,
    received: sum(({ received }) => received),
    received_bytes: sum(({ received_bytes: bytes }) => bytes),
    delivered: sum(({ delivered }) => delivered),
    delayed: sum(({ delayed }) => delayed),
    failed: sum(({ failed }) => failed),
    queued: sum(({ queued }) => queued),
    rss_bytes: sum(({ rss_bytes: bytes }) => bytes),
    latency: {
      bounds_ms: first.latency.bounds_ms,
      counts: mergeSteps(
        parts.map(({ latency }) => latency.counts),
        (rows) =>
          (rows[0] ?? []).map((_, index) => rows.reduce((all, row) => all + (row[index] ?? 0), 0)),
      ),
    },
  };
}

/** Step by step from the end; null where nobody has one. */
function mergeSteps<Step>(
  all: ReadonlyArray<ReadonlyArray<Step | null>>,
  merge: (steps: Step[]) => Step,
): Array<Step | null> {
  const length = Math.max(0, ...all.map((steps) => steps.length));
  return Array.from({ length }, (_, index) => {
    const steps = all.flatMap((one) => {
      const step = one[index - length + one.length] ?? null;
      return step === null ? [] : [{ step }];
    });
    return steps.length === 0 ? null : merge(steps.map(({ step }) => step));
  });
}

function greatest(texts: readonly string[]): string {
  return texts.reduce((a, b) => (a > b ? a : b));
}
