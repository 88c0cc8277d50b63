import { useId, type ReactNode } from 'react';

/** A named line of the form. */
export function TextField({
  label,
  value,
  hint,
  isRequired = false,
  onChange,
}: {
  label: string;
  value: string;
  hint?: string;
  isRequired?: boolean;
  onChange: (value: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <span className="send-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        value={value}
        placeholder={hint}
        required={isRequired}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
      />
    </span>
  );
}
