import { Document, isMap, isScalar, isSeq, visit, type Node } from 'yaml';
import type { Path } from '../fault.js';

/** The first line of every exported file; a later export writes only over files that have it. */
export const MARKER = 'Written by relaymesh topology export, which writes over it.';

/** A comment before the key or the list item at `path`. */
export interface Comment {
  path: Path;
  text: string;
}

/** What stands on one line when it is no longer than this. */
const FLOW_CHARACTERS = 110;

/** A topology as people write it: entries of lists and small mappings on one line. */
export function topologyText(value: object, heading: readonly string[]): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  document.commentBefore = comment(heading.join('\n'));
  visit(document, {
    Collection(_key, node, path) {
      const depth = path.length;
      // the file, its sections, and the entry of each node keep their lines
      const isSmall = JSON.stringify(node.toJSON()).length <= FLOW_CHARACTERS;
      const isNode = depth === 5 && isMap(node) && node.has('listen');
      if (depth > 3 && isSmall && !isNode && !holdsMappings(node)) node.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}

/** A list of mappings has a line for each. */
function holdsMappings(node: Node): boolean {
  return isSeq(node) && node.items.some((item) => isMap(item));
}

/** A file for other programs, in block style. */
export function yamlText(
  value: object,
  heading: string,
  comments: readonly Comment[] = [],
): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  document.commentBefore = comment(heading);
  for (const { path, text } of comments) {
    const parent = document.getIn(path.slice(0, -1), true);
    const last = path.at(-1);
    const place = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && key.value === last)?.key
      : isSeq(parent)
        ? parent.items[Number(last)]
        : undefined;
    if (place !== undefined) (place as Node).commentBefore = comment(text);
  }
  return document.toString({ lineWidth: 0 });
}

function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}
