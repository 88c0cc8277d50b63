import { Option, type Command } from 'commander';
import { refuseSecretInArgv } from '../config/load.js';
import { CONFIG_KEY_NAMES, CONFIG_KEYS, type ConfigKey } from '../config/schema.js';
import { nearestName } from '../topology/suggest.js';

/** The flat keys as options of a command. */

/** Adds `--key=value` for every flat key; help shows the main ones. */
export function addConfigOptions(command: Command): Command {
  for (const key of CONFIG_KEY_NAMES) command.addOption(optionOf(key));
  return command.configureOutput({
    outputError: (text, write) => write(withoutValues(text)),
  });
}

/** What the command line says about flat keys. */
export function configArgv(command: Command): Partial<Record<ConfigKey, string>> {
  const given: Partial<Record<ConfigKey, string>> = {};
  const values = command.opts<Record<string, string | undefined>>();
  for (const key of CONFIG_KEY_NAMES) {
    const value = values[optionOf(key).attributeName()];
    if (value !== undefined) given[key] = value;
  }
  return given;
}

function optionOf(key: ConfigKey): Option {
  const { form, doc, default: standard, main } = CONFIG_KEYS[key];
  const description = `${firstSentence(doc)} (default: ${standard})`;
  switch (form) {
    case 'secret':
      return new Option(`--${key} [value]`)
        .hideHelp()
        .preset('')
        .argParser(() => refuseSecretInArgv(key));
    case 'boolean':
      return new Option(`--${key} [value]`, description).hideHelp(main !== true).preset('true');
    case 'list':
    case 'numbers':
      return new Option(`--${key} <values>`, description)
        .hideHelp(main !== true)
        .argParser((value: string, earlier?: string) =>
          earlier === undefined ? value : `${earlier},${value}`,
        );
    default:
      return new Option(`--${key} <value>`, description).hideHelp(main !== true);
  }
}

function firstSentence(doc: string): string {
  const [sentence = doc] = doc.split(/[.;] /, 1);
  return sentence.replace(/\.$/, '').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

/** A misspelt option may have a password behind it, so only its name is shown. */
function withoutValues(text: string): string {
  return text.replace(/unknown option '(--[^'=]*)(?:=[^\n]*)?'/, (_, option: string) => {
    const meant = nearestName(option.replace(/^--/, ''), CONFIG_KEY_NAMES);
    return `unknown option '${option}'${meant === undefined ? '' : `; did you mean --${meant}?`}`;
  });
}
