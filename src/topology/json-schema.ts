import { z } from 'zod';
import { topologySchema } from './schema.js';

/**
 * The JSON Schema (draft 2020-12) of a topology file as it is written, for editors. It knows the
 * form only; `relaymesh topology validate` also knows what makes sense.
 */
export function topologyJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(topologySchema, {
    target: 'draft-2020-12',
    io: 'input',
  });
  return { $schema, title: 'relaymesh topology', ...schema };
}

/** The schema as the text of a file. */
export function topologyJsonSchemaText(): string {
  return `${JSON.stringify(topologyJsonSchema(), null, 2)}\n`;
}
