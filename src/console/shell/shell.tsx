import './shell.css';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { listen } from '../events.js';
import { useObservable } from '../observable.js';
import { PAGES } from '../pages.js';
import { Notices } from '../pieces/notices.js';
import { useOwnNode } from '../queries.js';
import { logOut, token } from '../session.js';
import { ConnectionBadge } from './connection-badge.js';
import { LoginPage } from './login-page.js';
import { nextTheme, theme } from './theme.js';

/** What is around every page. Without a token the login page stands in its place. */
export function Shell(): ReactNode {
  const isLoggedIn = useObservable(token) !== null;
  const queries = useQueryClient();
  useEffect(() => {
    if (!isLoggedIn) {
      queries.clear();
      return undefined;
    }
    const stop = new AbortController();
    void listen(queries, stop.signal);
    return () => stop.abort();
  }, [isLoggedIn, queries]);
  return (
    <>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="shell-header">
        <span className="shell-brand">relaymesh</span>
        {isLoggedIn && <NodeName />}
        {isLoggedIn && <Navigation />}
        <div className="shell-tools">
          {isLoggedIn && <ConnectionBadge />}
          <ThemeSwitch />
          {isLoggedIn && (
            <button type="button" className="quiet" onClick={logOut}>
              Log out
            </button>
          )}
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {isLoggedIn ? <Pages /> : <LoginPage />}
      </main>
      <Notices />
    </>
  );
}

function Pages(): ReactNode {
  return (
    <Switch>
      {PAGES.flatMap(({ paths, component }) =>
        paths.map((path) => <Route key={path} path={path} component={component} />),
      )}
      <Route>
        <h1>There is no such page</h1>
        <p>
          <Link href="/">To the mesh</Link>
        </p>
      </Route>
    </Switch>
  );
}

function NodeName(): ReactNode {
  const { value } = useOwnNode();
  const name = value?.node;
  const [location] = useLocation();
  const page = PAGES.find((one) => one.nav !== null && isUnder(location, one.nav.href));
  useEffect(() => {
    document.title = [page?.nav?.title, name, 'relaymesh'].filter(Boolean).join(' · ');
  }, [name, page]);
  return <strong className="shell-node">{name ?? '–'}</strong>;
}

function Navigation(): ReactNode {
  const [location] = useLocation();
  return (
    <nav aria-label="Pages" className="shell-nav">
      <ul>
        {PAGES.map(({ nav }) =>
          nav === null ? null : (
            <li key={nav.href}>
              <Link href={nav.href} aria-current={isUnder(location, nav.href) ? 'page' : undefined}>
                {nav.title}
              </Link>
            </li>
          ),
        )}
      </ul>
    </nav>
  );
}

function isUnder(location: string, href: string): boolean {
  return href === '/'
    ? location === '/' || location === ''
    : location === href || location.startsWith(`${href}/`);
}

function ThemeSwitch(): ReactNode {
  const chosen = useObservable(theme);
  return (
    <button
      type="button"
      className="quiet"
      onClick={nextTheme}
      title="Light, dark or as the system"
    >
      <span aria-hidden="true">{{ auto: '◐', light: '☀', dark: '☾' }[chosen]}</span>
      <span className="narrow-hidden"> Theme: {chosen}</span>
      <span className="narrow-only visually-hidden">Theme: {chosen}</span>
    </button>
  );
}
