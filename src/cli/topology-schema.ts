import { Command } from 'commander';
import { topologyJsonSchemaText } from '../topology/json-schema.js';

/** `relaymesh topology schema`: prints the JSON Schema of a topology file. Exit code 0. */
export function topologySchemaCommand(
  setExitCode: (code: number) => void,
  stdout: (text: string) => void = (text) => void process.stdout.write(text),
): Command {
  return new Command('schema')
    .description('print the JSON Schema of a topology file, for editors')
    .addHelpText(
      'after',
      '\nExample:\n  $ relaymesh topology schema > relaymesh.schema.json\n\nand as the first line of the topology:\n  # yaml-language-server: $schema=./relaymesh.schema.json',
    )
    .action(() => {
      stdout(topologyJsonSchemaText());
      setExitCode(0);
    });
}
