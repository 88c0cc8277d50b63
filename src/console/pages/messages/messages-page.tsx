import './messages.css';
import type { ReactNode } from 'react';
import { useLocation } from 'wouter';
import { messageAt } from './addresses.js';
import { MessageView } from './message-view.js';
import { SearchView } from './search-view.js';

/** `/messages` searches; `/messages/:node/:id` is one message, asked for at that node. */
export function MessagesPage(): ReactNode {
  // The router leaves some escapes of a Message-ID in its parameters; it tells when to look anew.
  useLocation();
  const named = messageAt(location.pathname);
  return named === null ? (
    <SearchView />
  ) : (
    <MessageView key={`${named.node} ${named.id}`} node={named.node} id={named.id} />
  );
}
