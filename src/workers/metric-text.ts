/** The text format of Prometheus, as far as our nodes write it. */

export interface MetricSample {
  /** Name and labels as they stand in the line. */
  series: string;
  value: number;
}

export interface MetricFamily {
  name: string;
  help: string;
  type: string;
  samples: MetricSample[];
}

const COMMENT = /^# (HELP|TYPE) (\S+) ?(.*)$/;
/** A label's value may hold blanks and escaped quotes. */
const SAMPLE = /^([A-Za-z_:][\w:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?) (\S+)$/;

/** In the order in which they stand; a line that means nothing is passed over. */
export function parseFamilies(text: string): MetricFamily[] {
  const families = new Map<string, MetricFamily>();
  let current: MetricFamily | null = null;
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = COMMENT.exec(line) ?? [];
    if (keyword !== undefined) {
      current = families.get(name) ?? { name, help: '', type: 'untyped', samples: [] };
      families.set(name, current);
      if (keyword === 'HELP') current.help = rest;
      else current.type = rest;
      continue;
    }
    const [, series, value] = SAMPLE.exec(line) ?? [];
    if (series !== undefined && value !== undefined) {
      current?.samples.push({ series, value: numberOf(value) });
    }
  }
  return [...families.values()];
}

function numberOf(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}
