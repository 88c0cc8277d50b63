import { useId, type ReactNode } from 'react';
import { useNodeNames } from '../mesh-query.js';

/** Chooses one of the nodes that are known here; with `all`, also '' for all of them. */
export function NodePicker({
  value,
  onChange,
  all = false,
}: {
  value: string;
  onChange: (node: string) => void;
  all?: boolean;
}): ReactNode {
  const names = useNodeNames();
  const id = useId();
  const others = value === '' || names.includes(value) ? names : [...names, value];
  return (
    <span className="field">
      <label htmlFor={id}>Node</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {all && <option value="">all nodes</option>}
        {others.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </span>
  );
}
