import { painter, type Style } from '../trace/waterfall-text.js';
import type { Column } from './table.js';

const STYLES: Readonly<Record<string, Style>> = {
  backoff: 'bad',
  probing: 'wait',
  paused: 'wait',
};

/** The column with the state of queues: what keeps mail waiting has a colour where there are any. */
export function stateColumn(color: boolean): Column {
  const paint = painter(color);
  return {
    title: 'STATE',
    align: 'left',
    paint: (cell) => {
      const style = STYLES[cell.trimEnd()];
      return style === undefined ? cell : paint(style, cell);
    },
  };
}
