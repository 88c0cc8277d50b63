import { z } from 'zod';

/** How the text of a value is understood, before `schema` judges it. */
export type ValueForm =
  | 'text'
  | 'number'
  | 'boolean'
  /** Separated by commas or white space. */
  | 'list'
  | 'numbers'
  /** Bytes, or a number with a unit as in 64MiB. */
  | 'size'
  /** Of a file or folder; relative to the `--config` file, elsewhere to the working directory. */
  | 'path'
  /** Never taken from argv, never shown. */
  | 'secret';

export interface KeyOptions<S extends z.ZodType> {
  form: ValueForm;
  schema: S;
  /** What its values are, for people. Default: said by `schema`. */
  type?: string;
  /** What holds where nobody says anything, for people. */
  default: string;
  /** One or more sentences. Default: the description of `schema`. */
  doc?: string;
  /** An empty value takes away what lower levels say, instead of being a fault. */
  mayBeEmpty?: true;
  /** Shown by `relaymesh node --help`. */
  main?: true;
}

export interface ConfigKeySpec<S extends z.ZodType = z.ZodType> extends KeyOptions<S> {
  doc: string;
  type: string;
  secret: boolean;
}

/** A flat key; what its schema says already need not be said again. */
export function key<S extends z.ZodType>(options: KeyOptions<S>): ConfigKeySpec<S> {
  const described = withoutDefault(options.schema.description ?? '');
  return {
    ...options,
    doc: options.doc ?? described,
    type: options.type ?? typeOf(options),
    secret: options.form === 'secret',
  };
}

/** The topology's docs end with their default, which has a column of its own here. */
function withoutDefault(description: string): string {
  return description.replace(/ ?\bDefault\b:? .*$/s, '').trim();
}

function typeOf({ form, schema }: KeyOptions<z.ZodType>): string {
  if (schema instanceof z.ZodEnum) return schema.options.join(' | ');
  return {
    text: 'text',
    number: 'number',
    boolean: 'true | false',
    list: 'list',
    numbers: 'list of numbers',
    size: 'bytes, or as in 64MiB',
    path: 'path',
    secret: 'secret',
  }[form];
}
