import { useId, type ReactNode } from 'react';
import { formatBytes } from '../../quantities.js';
import type { Draft } from './draft.js';
import { TextField } from './text-field.js';

const KINDS = [
  ['letter', 'Subject and text'],
  ['source', 'A whole message (.eml)'],
] as const;

interface Props {
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
}

/** What is sent: a subject and a text, or a message that is pasted or read from a file. */
export function Content({ draft, onChange }: Props): ReactNode {
  const name = useId();
  return (
    <fieldset className="send-content">
      <legend>Content</legend>
      <div className="toolbar">
        {KINDS.map(([kind, title]) => (
          <label key={kind}>
            <input
              type="radio"
              name={name}
              checked={draft.kind === kind}
              onChange={() => onChange({ kind })}
            />{' '}
            {title}
          </label>
        ))}
      </div>
      {draft.kind === 'letter' ? (
        <>
          <TextField
            label="Subject"
            value={draft.subject}
            onChange={(subject) => onChange({ subject })}
          />
          <Area label="Text" value={draft.text} onChange={(text) => onChange({ text })} />
        </>
      ) : (
        <Source draft={draft} onChange={onChange} />
      )}
    </fieldset>
  );
}

function Source({ draft, onChange }: Props): ReactNode {
  const id = useId();
  const read = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    onChange({ file: { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) } });
  };
  return (
    <>
      {draft.file === null ? (
        <Area
          label="Header fields, an empty line, the body"
          value={draft.source}
          isCode
          onChange={(source) => onChange({ source })}
        />
      ) : (
        <p className="send-file">
          {draft.file.name}, {formatBytes(draft.file.bytes.length)}{' '}
          <button type="button" onClick={() => onChange({ file: null })}>
            Remove
          </button>
        </p>
      )}
      <span className="send-field">
        <label htmlFor={id}>Or a file</label>
        <input
          id={id}
          type="file"
          accept=".eml,message/rfc822,text/plain"
          onChange={(event) => void read(event.target.files?.[0])}
        />
      </span>
    </>
  );
}

function Area({
  label,
  value,
  isCode = false,
  onChange,
}: {
  label: string;
  value: string;
  isCode?: boolean;
  onChange: (value: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <span className="send-field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        rows={isCode ? 10 : 5}
        value={value}
        className={isCode ? 'send-code' : ''}
        spellCheck={!isCode}
        onChange={(event) => onChange(event.target.value)}
      />
    </span>
  );
}
