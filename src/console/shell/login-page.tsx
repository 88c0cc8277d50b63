import { useId, useState, type FormEvent, type ReactNode } from 'react';
import type { NodeStatus } from '../../api/shape/node.js';
import { ApiProblem, request } from '../api.js';
import { logIn } from '../session.js';

/** It stands in place of the page that was asked for, so that the place is kept. */
export function LoginPage(): ReactNode {
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [isBusy, setBusy] = useState(false);
  const id = useId();
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget).get('token');
    const given = typeof typed === 'string' ? typed.trim() : '';
    setBusy(true);
    try {
      await request<NodeStatus>('/v1/node', { token: given });
      logIn(given);
    } catch (error) {
      setProblem(error instanceof ApiProblem ? error : null);
      setBusy(false);
    }
  };
  return (
    <form className="login panel" onSubmit={(event) => void submit(event)}>
      <h1>Log in</h1>
      <label htmlFor={id}>API token of this node</label>
      <input
        id={id}
        name="token"
        type="password"
        autoComplete="current-password"
        required
        aria-describedby={`${id}-hint`}
        aria-invalid={problem?.status === 401}
      />
      <p id={`${id}-hint`} className="hint">
        It stands in <code>api-token</code> in the node’s data directory, or is what the topology
        sets; <code>topology up</code> writes it into <code>state.json</code> as{' '}
        <code>apiToken</code>. It is kept until this tab is closed.
      </p>
      {problem !== null && (
        <p role="alert" className="problem">
          {problem.status === 401 ? 'This is not the token of this node.' : problem.message}
        </p>
      )}
      <button type="submit" className="primary" disabled={isBusy}>
        Log in
      </button>
    </form>
  );
}
