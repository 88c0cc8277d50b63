import { useInfiniteQuery } from '@tanstack/react-query';
import { useId, useState, type FormEvent, type ReactNode } from 'react';
import { useLocation, useSearch } from 'wouter';
import { ApiProblem, on, request } from '../../api.js';
import { useMesh } from '../../mesh-query.js';
import { AsOf } from '../../pieces/as-of.js';
import { CommandTwin } from '../../pieces/command-twin.js';
import { NodePicker } from '../../pieces/node-picker.js';
import type { Live } from '../../queries.js';
import { useOwnNode } from '../../queries.js';
import { messageHref } from './addresses.js';
import { FoundMessages } from './found-messages.js';
import {
  beginSearch,
  instantFrom,
  NO_SEARCH,
  queryOf,
  showMore,
  type Found,
  type Search,
  type TraceList,
} from './search.js';

const PAGE = 50;
const EVERY_MS = 5000;
const STATES = ['queued', 'delayed', 'transferred', 'relayed', 'delivered', 'failed', 'opaque'];

/** The form, and the messages that fit. Its fields stand in the address, so that a search is kept. */
export function SearchView(): ReactNode {
  const [, navigate] = useLocation();
  const search = searchOf(useSearch());
  return (
    <>
      <div className="page-head">
        <h1>Messages</h1>
      </div>
      <SearchForm
        key={JSON.stringify(search)}
        search={search}
        onSearch={(next) => navigate(`/messages${addressOf(next)}`)}
      />
      <Results search={search} />
    </>
  );
}

function SearchForm({
  search,
  onSearch,
}: {
  search: Search;
  onSearch: (search: Search) => void;
}): ReactNode {
  const [fields, setFields] = useState(search);
  const [id, setId] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const [, navigate] = useLocation();
  const own = useOwnNode().value?.node ?? '';
  const set = (name: keyof Search, value: string): void => setFields({ ...fields, [name]: value });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (id.trim() !== '') {
      navigate(messageHref(fields.node || own, id.trim()));
      return;
    }
    const wrong = (['since', 'until'] as const).find(
      (name) => fields[name].trim() !== '' && instantFrom(fields[name], Date.now()) === null,
    );
    setProblem(
      wrong === undefined
        ? null
        : `“${fields[wrong]}” is no time: 15m, 2d, or 2026-03-01 09:30 (UTC).`,
    );
    if (wrong === undefined) onSearch(fields);
  };
  return (
    <form className="panel search" role="search" onSubmit={submit}>
      <div className="search-fields">
        <Field
          label="Recipient"
          name="recipient"
          fields={fields}
          set={set}
          hint="bob@example.net"
        />
        <Field label="Sender" name="sender" fields={fields} set={set} hint="ann@example.com" />
        <StateField value={fields.state} onChange={(state) => set('state', state)} />
        <Field label="Since" name="since" fields={fields} set={set} hint="1h or 2026-03-01 09:30" />
        <Field label="Until" name="until" fields={fields} set={set} hint="now" />
        <NodePicker all value={fields.node} onChange={(node) => set('node', node)} />
        <IdField value={id} onChange={setId} />
        <div className="toolbar search-buttons">
          <button type="submit" className="primary">
            Search
          </button>
          <button type="button" onClick={() => onSearch(NO_SEARCH)}>
            Clear
          </button>
        </div>
      </div>
      {problem !== null && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
    </form>
  );
}

function Field({
  label,
  name,
  hint,
  fields,
  set,
}: {
  label: string;
  name: 'recipient' | 'sender' | 'since' | 'until';
  hint: string;
  fields: Search;
  set: (name: keyof Search, value: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <span className="search-field" data-name={name}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        name={name}
        value={fields[name]}
        placeholder={hint}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => set(name, event.target.value)}
      />
    </span>
  );
}

function StateField({
  value,
  onChange,
}: {
  value: string;
  onChange: (state: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <span className="search-field" data-name="state">
      <label htmlFor={id}>State at a node</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">any</option>
        {STATES.map((state) => (
          <option key={state}>{state}</option>
        ))}
      </select>
    </span>
  );
}

function IdField({
  value,
  onChange,
}: {
  value: string;
  onChange: (id: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <span className="search-field" data-name="id">
      <label htmlFor={id}>Or open: trace id, queue id or Message-ID</label>
      <input
        id={id}
        value={value}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
      />
    </span>
  );
}

function Results({ search }: { search: Search }): ReactNode {
  const mesh = useMesh();
  const nodes = search.node === '' ? mesh.value?.nodes.map(({ node }) => node) : [search.node];
  const found = useFound(search, nodes);
  const shown = found.value;
  const isReading = shown === undefined && found.problem === null;
  return (
    <section aria-label="Messages that were found">
      <div className="toolbar search-state" role="status">
        {isReading ? <span className="soft">searching …</span> : <AsOf of={found} />}
        {shown !== undefined && <Silent found={shown} />}
      </div>
      {shown !== undefined && (
        <FoundMessages found={shown} isMore={found.isMore} onMore={found.showMore} />
      )}
      <CommandTwin words={commandOf(search)} node={search.node} />
      {search.node === '' && (
        <p className="hint">The command lists the messages of one node; --node names another.</p>
      )}
    </section>
  );
}

/** Nodes whose messages are missing from the list, and why. */
function Silent({ found }: { found: Found }): ReactNode {
  return found.sources.map(({ node, problem }) =>
    problem === null ? null : (
      <span key={node} className="problem">
        <strong>{node}</strong> could not be asked: {problem}
      </span>
    ),
  );
}

interface LiveFound extends Live<Found> {
  isMore: boolean;
  showMore: () => void;
}

/** While one page is shown it is asked for again and again; more of them grow old, and say so. */
function useFound(search: Search, nodes: string[] | undefined): LiveFound {
  const query = useInfiniteQuery({
    queryKey: ['messages', search, nodes],
    queryFn: ({ pageParam, signal }) =>
      showMore(pageParam, PAGE, (node, cursor) => askPage(search, node, cursor, signal), wordsOf),
    initialPageParam: beginSearch(nodes ?? []),
    getNextPageParam: (last: Found) => (last.more ? last : undefined),
    enabled: nodes !== undefined,
    refetchInterval: (self) => ((self.state.data?.pages.length ?? 0) > 1 ? false : EVERY_MS),
  });
  return {
    value: query.data?.pages.at(-1),
    asOf: query.dataUpdatedAt === 0 ? null : query.dataUpdatedAt,
    problem: query.error instanceof ApiProblem ? query.error : null,
    everyMs: EVERY_MS,
    refresh: () => void query.refetch(),
    isMore: query.hasNextPage,
    showMore: () => void query.fetchNextPage(),
  };
}

function askPage(
  search: Search,
  node: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<TraceList> {
  const query = queryOf(search, cursor, PAGE, Date.now());
  if (query === null) {
    return Promise.reject(new ApiProblem('since or until is no time', 'BAD_QUERY', 400));
  }
  return request<TraceList>(on(node, `/trace?${query}`), { signal });
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function searchOf(address: string): Search {
  const query = new URLSearchParams(address);
  const names = Object.keys(NO_SEARCH) as (keyof Search)[];
  return Object.fromEntries(
    names.map((name) => [name, query.get(name) ?? '']),
  ) as unknown as Search;
}

function addressOf(search: Search): string {
  const query = new URLSearchParams(Object.entries(search).filter(([, value]) => value !== ''));
  return query.size === 0 ? '' : `?${query.toString()}`;
}

/** The command lists up to now: it knows no end of the time. */
function commandOf(search: Search): string[] {
  const conditions = (['recipient', 'sender', 'state', 'since'] as const).flatMap((name) =>
    search[name] === '' ? [] : [`--${name}`, search[name]],
  );
  return ['trace', ...conditions];
}
