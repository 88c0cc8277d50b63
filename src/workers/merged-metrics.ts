import type { MetricsView, PeerAnswer } from '../api/views.js';
import { parseFamilies, type MetricFamily } from './metric-text.js';
import type { WorkerQuestions } from './merged-questions.js';

const PREFIX = 'relaymesh_';
const READY = `${PREFIX}ready`;
const STARTED_AT = `${PREFIX}process_start_time_seconds`;
/** Of one worker; a node has some thousands. */
const MAX_SERIES = 50_000;
/** Figures of a process and of Node.js: each worker has its own. */
const OF_PROCESS = /^relaymesh_(?:process|nodejs)_/;

type Rule = 'sum' | 'max' | 'min';

/** Gauges that are not sums over the workers, without the prefix. */
const RULES: ReadonlyMap<string, Rule> = new Map([
  ['build_info', 'max'],
  ['room_full', 'max'],
  ['queue_oldest_age_seconds', 'max'],
  ['disk_free_bytes', 'min'],
  ['disk_reserve_bytes', 'max'],
  ['certificate_expiry_timestamp_seconds', 'min'],
  ['last_reload_success', 'min'],
  ['last_reload_timestamp_seconds', 'max'],
]);

/** What a worker has counted. */
interface Counted {
  /** When its process began, as it says. */
  startedAt: number | null;
  /** By series: in this life, and in those before. */
  series: Map<string, { last: number; before: number }>;
}

/**
 * The metrics of all workers as those of one node: counters and histograms are summed, gauges too
 * but for those that are no sums. Those of processes have a label `worker`: its number, or `front`.
 * `worker_up` says who answered.
 *
 * A sum must not fall when one worker begins again, since all of it would be taken for new then: what
 * a worker had counted before it ended stays in the sum, also while it does not answer.
 */
export class MergedMetrics implements MetricsView {
  readonly #workers: WorkerQuestions;
  readonly #ofFront: () => Promise<string>;
  readonly #notReady: () => Promise<string | null>;
  /** By worker and series: as many as the workers have. */
  readonly #counted = new Map<number, Counted>();

  /** @param notReady null while the node takes mail, which no worker knows by itself */
  constructor(
    workers: WorkerQuestions,
    ofFront: () => Promise<string>,
    notReady: () => Promise<string | null>,
  ) {
    this.#workers = workers;
    this.#ofFront = ofFront;
    this.#notReady = notReady;
  }

  async text(): Promise<string> {
    const [{ parts }, front, reason] = await Promise.all([
      this.#workers.raw({ method: 'GET', path: '/metrics' }),
      this.#ofFront(),
      this.#notReady(),
    ]);
    const merged = new Map<string, Merged>();
    const familyOf = (family: MetricFamily): Merged => {
      const known = merged.get(family.name) ?? new Merged(family);
      merged.set(family.name, known);
      return known;
    };
    const answered = parts.filter(({ value }) => value.status === 200);
    for (const { worker, value } of answered) {
      this.#take(worker, textOf(value), familyOf);
    }
    for (const { series } of this.#counted.values()) {
      for (const [name, { last, before }] of series) {
        merged.get(familyName(name, merged))?.add(name, last + before);
      }
    }
    for (const family of parseFamilies(front)) {
      if (OF_PROCESS.test(family.name)) addOfProcess(familyOf(family), family, 'front');
    }
    const up = this.#workers.links.map(
      ({ index }) =>
        `${PREFIX}worker_up{worker="${index}"} ${answered.some(({ worker }) => worker === index) ? 1 : 0}`,
    );
    return [
      `# HELP ${READY} 1 while the node takes mail.`,
      `# TYPE ${READY} gauge`,
      `${READY} ${reason === null ? 1 : 0}`,
      '',
      ...[...merged.values()].map((family) => family.text),
      `# HELP ${PREFIX}worker_up 1 while a worker process of the node answers.`,
      `# TYPE ${PREFIX}worker_up gauge`,
      ...up,
      '',
    ].join('\n');
  }

  #take(worker: number, text: string, familyOf: (family: MetricFamily) => Merged): void {
    const counted = this.#counted.get(worker) ?? { startedAt: null, series: new Map() };
    this.#counted.set(worker, counted);
    const families = parseFamilies(text);
    endLife(counted, families);
    for (const family of families) {
      if (family.name === READY) continue;
      const merged = familyOf(family);
      if (OF_PROCESS.test(family.name)) {
        addOfProcess(merged, family, String(worker));
      } else if (family.type === 'gauge') {
        for (const { series, value } of family.samples) merged.add(series, value);
      } else {
        for (const { series, value } of family.samples) count(counted, series, value);
      }
    }
  }
}

/** One metric of the node while it is put together. */
class Merged {
  readonly #family: MetricFamily;
  readonly #values = new Map<string, number>();

  constructor(family: MetricFamily) {
    this.#family = family;
  }

  add(series: string, value: number): void {
    const known = this.#values.get(series);
    this.#values.set(series, known === undefined ? value : this.#merge(known, value));
  }

  get text(): string {
    const { name, help, type } = this.#family;
    const lines = [...this.#values].map(([series, value]) => `${series} ${shown(value)}`);
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
  }

  #merge(a: number, b: number): number {
    const { type, name } = this.#family;
    const rule = type === 'gauge' ? (RULES.get(name.slice(PREFIX.length)) ?? 'sum') : 'sum';
    return rule === 'sum' ? a + b : Math[rule](a, b);
  }
}

/** What a process had counted that is gone belongs to the lives before. */
function endLife(counted: Counted, families: readonly MetricFamily[]): void {
  const family = families.find(({ name }) => name === STARTED_AT);
  const startedAt = family?.samples[0]?.value ?? null;
  if (counted.startedAt !== null && counted.startedAt !== startedAt) {
    for (const one of counted.series.values()) {
      one.before += one.last;
      one.last = 0;
    }
  }
  counted.startedAt = startedAt;
}

function count({ series }: Counted, name: string, value: number): void {
  const known = series.get(name);
  if (known !== undefined) {
    // counted anew from nothing, as after a reload that took a hop away
    if (value < known.last) known.before += known.last;
    known.last = value;
  } else if (series.size < MAX_SERIES) {
    series.set(name, { last: value, before: 0 });
  }
}

function addOfProcess(merged: Merged, { samples }: MetricFamily, worker: string): void {
  for (const { series, value } of samples) {
    const brace = series.indexOf('{');
    const labelled =
      brace === -1
        ? `${series}{worker="${worker}"}`
        : `${series.slice(0, brace)}{worker="${worker}",${series.slice(brace + 1)}`;
    merged.add(labelled, value);
  }
}

/** The metric of a series: of a histogram the parts have suffixes. */
function familyName(series: string, merged: ReadonlyMap<string, Merged>): string {
  const name = series.split('{')[0] ?? '';
  return merged.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
}

function shown(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

function textOf({ body }: PeerAnswer): string {
  return body.toString('utf8');
}
