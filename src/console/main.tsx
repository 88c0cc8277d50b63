import './base.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { Shell } from './shell/shell.js';
import { applyTheme } from './shell/theme.js';

/** A request that fails is not repeated at once: the next poll is the next try. */
const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: false, gcTime: 60_000, refetchOnWindowFocus: true },
    mutations: { retry: false },
  },
});

applyTheme();
const root = document.getElementById('console');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Router base="/console">
          <Shell />
        </Router>
      </QueryClientProvider>
    </StrictMode>,
  );
}
