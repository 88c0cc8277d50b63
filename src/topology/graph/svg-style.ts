interface Colours {
  page: string;
  text: string;
  muted: string;
  line: string;
  good: string;
  bad: string;
  accent: string;
  flow: string;
  node: string;
  nodeLine: string;
  client: string;
  outside: string;
  outsideLine: string;
}

const LIGHT: Colours = {
  page: '#ffffff',
  text: '#1b2430',
  muted: '#5b6775',
  line: '#7b8794',
  good: '#1a7a46',
  bad: '#c0262d',
  accent: '#2b4c9b',
  flow: '#8a5200',
  node: '#eaf1fd',
  nodeLine: '#3f6fd0',
  client: '#f3f4f6',
  outside: '#f0f8f2',
  outsideLine: '#5a9a70',
};

const DARK: Colours = {
  page: '#12161c',
  text: '#e8edf3',
  muted: '#9aa7b5',
  line: '#7d8a99',
  good: '#62c98d',
  bad: '#ff7b7b',
  accent: '#9db8ff',
  flow: '#f0b860',
  node: '#1c2a44',
  nodeLine: '#6b95ee',
  client: '#20262e',
  outside: '#18291f',
  outsideLine: '#5fa77a',
};

/** Colours as plain rules: many programs that show pictures know no CSS variables. */
function colours(of: Colours): string {
  return [
    `.page,.under{fill:${of.page}}`,
    `text{fill:${of.text}}`,
    `.tier,.part,.note{fill:${of.muted}}`,
    `.divider{stroke:${of.muted}}`,
    `.condition{fill:${of.accent}}`,
    `.security{fill:${of.good}}`,
    `.insecure,.fault{fill:${of.bad}}`,
    `.flow{fill:${of.flow}}`,
    `.line{stroke:${of.line}}`,
    `.arrow{fill:${of.line}}`,
    `.edge.cycle .line{stroke:${of.bad}}`,
    `.edge.cycle .arrow{fill:${of.bad}}`,
    `.box rect{fill:${of.node};stroke:${of.nodeLine}}`,
    `.users rect,.network rect{fill:${of.client};stroke:${of.line}}`,
    `.sink rect,.host rect,.mx rect{fill:${of.outside};stroke:${of.outsideLine}}`,
    `.unknown rect{fill:${of.page};stroke:${of.bad}}`,
    `.box.cycle rect,.box.unreachable rect{stroke:${of.bad}}`,
  ].join('');
}

const FORMS = [
  'text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}',
  '.heading{font-size:17px;font-weight:600}',
  '.box text,.label text,.tier{text-anchor:middle}',
  '.name{font-size:14px;font-weight:600}',
  '.line{fill:none;stroke-width:1.5}',
  '.dashed .line{stroke-dasharray:7 4}',
  '.dotted .line{stroke-dasharray:2 4}',
  '.divider{fill:none;stroke-dasharray:1 5}',
  '.box rect{stroke-width:1.5}',
  '.box.unreachable rect,.unknown rect{stroke-dasharray:5 3;stroke-width:2}',
].join('');

export const STYLE = `${FORMS}${colours(LIGHT)}@media (prefers-color-scheme:dark){${colours(DARK)}}`;
