import { Command, Option } from 'commander';
import { keyReferences, referenceMarkdown, referenceText } from '../config/reference.js';

interface ReferenceOptions {
  json?: boolean;
  markdown?: boolean;
}

/** `relaymesh config reference`: every key, its type, default and meaning. Exit code 0. */
export function configCommand(
  setExitCode: (code: number) => void,
  stdout: (text: string) => void = (text) => void process.stdout.write(text),
): Command {
  const reference = new Command('reference')
    .description('print every key of a config file: type, default, meaning')
    .addOption(new Option('--json', 'as a JSON array').conflicts('markdown'))
    .addOption(new Option('--markdown', 'as a table in Markdown').conflicts('json'))
    .addHelpText('after', '\nExample:\n  $ relaymesh config reference | less')
    .action(({ json, markdown }: ReferenceOptions) => {
      if (json === true) stdout(`${JSON.stringify(keyReferences(), null, 2)}\n`);
      else stdout(markdown === true ? referenceMarkdown() : referenceText());
      setExitCode(0);
    });
  return new Command('config')
    .description('about the flat keys of a node')
    .addHelpText('after', '\nExample:\n  $ relaymesh config reference')
    .addCommand(reference);
}
