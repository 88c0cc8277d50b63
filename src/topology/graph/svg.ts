import { RelayError } from '../../base/errors.js';
import type { Bundle, Drawing, DrawnNode, Line } from './bundle.js';
import {
  layOut,
  type Layout,
  type LayoutBox,
  type PlacedBox,
  type PlacedLine,
  type Stretch,
} from './layout.js';
import { STYLE } from './svg-style.js';
import { cut, textWidth } from './text-size.js';

const NAME_SIZE = 14;
const LINE_SIZE = 11;
const LINE_HEIGHT = 14;
const MARGIN = 24;
const HEAD_HEIGHT = 62;
const MAX_NAME = 30;
const MAX_LINE = 44;
const MIN_BOX_WIDTH = 84;
/** Beyond it nobody would find anything in the picture, and the layout would take minutes. */
const MAX_CROSSED_TIERS = 20_000;
/** So much of the side of a box each of its lines gets. */
const PORT_HEIGHT = 13;

/**
 * A picture that stands alone: no script, nothing to load, light or dark as its reader has it. The
 * whole of a text that was cut is in the title of its element.
 *
 * @throws RelayError GRAPH_TOO_LARGE
 */
export function renderSvg(drawing: Drawing): string {
  const { nodes, bundles, title } = drawing;
  const crossed = bundles.reduce((sum, { from, to }) => sum + Math.abs(to.tier - from.tier), 0);
  if (crossed + nodes.length > MAX_CROSSED_TIERS) {
    throw new RelayError('GRAPH_TOO_LARGE', 'the topology is too large for one picture', {
      fault: 'operator',
      hint: 'draw it with Graphviz (-f dot), or take what you need from -f json',
    });
  }
  const layout = layOut(
    nodes.map((drawn) => boxOf(drawn, bundles)),
    bundles.map(({ from, to, lines }) => ({ from: from.id, to: to.id, ...labelSize(lines) })),
  );
  const titleWidth = textWidth(title, 17, true);
  const width = Math.ceil(Math.max(layout.width, titleWidth) + 2 * MARGIN);
  const height = Math.ceil(layout.height + HEAD_HEIGHT + 2 * MARGIN);
  const placed = bundles.map((bundle, at) => ({ bundle, line: layout.lines[at] as PlacedLine }));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="desc">${escapeXml(describe(drawing))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="heading" x="${MARGIN}" y="${MARGIN + 14}">${escapeXml(title)}</text>`,
    `<g transform="translate(${MARGIN} ${MARGIN + HEAD_HEIGHT})">`,
    ...headings(layout, nodes),
    ...partMarks(layout),
    ...placed.map(({ bundle, line }) => drawLine(bundle, line)),
    ...placed.map(({ bundle, line }) => drawLabel(bundle, line)),
    ...nodes.map((drawn, at) => drawBox(drawn, layout.boxes[at] as PlacedBox)),
    '</g>',
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

/** Text that can stand in an element or an attribute; what XML cannot hold becomes U+FFFD. */
export function escapeXml(text: string): string {
  return (
    text
      .replaceAll(/\p{Cs}/gu, '\uFFFD')
      // eslint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
  );
}

function describe({ nodes, bundles }: Drawing): string {
  const inside = nodes.filter(({ node }) => node.kind === 'node').map(({ node }) => node.name);
  const ways = bundles.map(({ words }) => `${words}.`);
  return [`Nodes, in the order of the file: ${inside.join(', ')}.`, ...ways].join(' ');
}

function boxOf({ node, lines }: DrawnNode, bundles: readonly Bundle[]): LayoutBox {
  const texts = lines.map(({ text }) => textWidth(cut(text, MAX_LINE), LINE_SIZE));
  const name = textWidth(cut(node.name, MAX_NAME), NAME_SIZE, true);
  const out = bundles.filter(({ from }) => from === node).length;
  const into = bundles.filter(({ to }) => to === node).length;
  const ports = Math.max(out, into) * PORT_HEIGHT + 12;
  const { id, tier, part } = node;
  return {
    id,
    tier,
    part,
    width: Math.max(MIN_BOX_WIDTH, name, ...texts) + 20,
    height: Math.max(26 + lines.length * LINE_HEIGHT + 6, ports),
  };
}

function labelSize(lines: readonly Line[]): { width: number; height: number } {
  const widths = lines.map(({ text }) => textWidth(cut(text, MAX_LINE), LINE_SIZE));
  if (widths.length === 0) return { width: 12, height: 2 };
  return { width: Math.max(...widths) + 8, height: lines.length * LINE_HEIGHT + 4 };
}

function headings({ tiers }: Layout, nodes: readonly DrawnNode[]): string[] {
  return tiers.flatMap(({ x, width }, tier) => {
    const members = nodes.filter(({ node }) => node.tier === tier);
    if (members.length === 0) return [];
    const isNode = members.some(({ node }) => node.kind === 'node');
    const name = isNode ? `tier ${tier}` : tier === 0 ? 'clients' : 'destinations';
    return [`<text class="tier" x="${px(x + width / 2)}" y="-18">${name}</text>`];
  });
}

function partMarks({ parts, width }: Layout): string[] {
  return parts.slice(1).flatMap((top, at) => {
    const y = top - 28;
    return [
      `<path class="divider" d="M0 ${px(y)}H${px(width)}"/>`,
      `<text class="part" x="0" y="${px(y + 13)}">part ${at + 2}: not connected with the others</text>`,
    ];
  });
}

function drawLine({ style, cycle, words }: Bundle, { stretches, points }: PlacedLine): string {
  const first = stretches[0] as Stretch;
  const end = stretches.at(-1) as Stretch;
  const back = points === 'left';
  const tip = back ? end.x2 + 7 : end.x2 - 7;
  const curves = stretches.map((stretch, at) => {
    // the line ends at the root of its arrow, or it would show beside the tip
    const x2 = at === stretches.length - 1 ? tip : stretch.x2;
    if (stretch.y1 === stretch.y2) return `H${px(x2)}`;
    const middle = px((stretch.x1 + x2) / 2);
    return `C${middle} ${px(stretch.y1)} ${middle} ${px(stretch.y2)} ${px(x2)} ${px(stretch.y2)}`;
  });
  const arrow = `M${px(end.x2)} ${px(end.y2)}L${px(tip)} ${px(end.y2 - 4)}V${px(end.y2 + 4)}Z`;
  return [
    `<g class="edge ${style}${cycle ? ' cycle' : ''}"><title>${escapeXml(words)}</title>`,
    `<path class="line" d="M${px(first.x1)} ${px(first.y1)}${curves.join('')}"/>`,
    `<path class="arrow" d="${arrow}"/></g>`,
  ].join('');
}

function drawLabel({ lines, words }: Bundle, { label }: PlacedLine): string {
  const top = label.y - labelSize(lines).height / 2 + 2;
  const rows = lines.map(({ text, tone }, at) => {
    const shown = cut(text, MAX_LINE);
    return { shown, tone, y: top + at * LINE_HEIGHT, width: textWidth(shown, LINE_SIZE) + 6 };
  });
  // they overlap: the line may run just between two rows
  const under = rows.map(
    ({ y, width }) =>
      `<rect class="under" x="${px(label.x - width / 2)}" y="${px(y - 1)}" width="${px(width)}" height="${LINE_HEIGHT + 2}"/>`,
  );
  const texts = rows.map(
    ({ shown, tone, y }) =>
      `<text class="${tone}" x="${px(label.x)}" y="${px(y + 11)}">${escapeXml(shown)}</text>`,
  );
  const title = `<title>${escapeXml(words)}</title>`;
  return `<g class="label">${title}${under.join('')}${texts.join('')}</g>`;
}

function drawBox({ node, lines, unreachable }: DrawnNode, box: PlacedBox): string {
  const { x, y, width, height } = box;
  const textTop = y + (height - (26 + lines.length * LINE_HEIGHT + 6)) / 2;
  const round = node.kind === 'node' ? 7 : Math.min(18, height / 2);
  const marks = `${unreachable ? ' unreachable' : ''}${node.cycle ? ' cycle' : ''}`;
  const whole = [node.name, ...lines.map(({ text }) => text)].join('; ');
  const middle = px(x + width / 2);
  const texts = lines.map(
    ({ text, tone }, at) =>
      `<text class="${tone}" x="${middle}" y="${px(textTop + 36 + at * LINE_HEIGHT)}">${escapeXml(cut(text, MAX_LINE))}</text>`,
  );
  return [
    `<g class="box ${node.kind}${marks}"><title>${escapeXml(whole)}</title>`,
    `<rect x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" rx="${px(round)}"/>`,
    `<text class="name" x="${middle}" y="${px(textTop + 20)}">${escapeXml(cut(node.name, MAX_NAME))}</text>`,
    `${texts.join('')}</g>`,
  ].join('');
}

/** A number of pixels with at most one decimal. */
function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
