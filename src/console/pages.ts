import type { ComponentType } from 'react';
import { MeshPage } from './pages/mesh/mesh-page.js';
import { MessagesPage } from './pages/messages/messages-page.js';
import { NodePage } from './pages/node/node-page.js';
import { QueuesPage } from './pages/queues/queues-page.js';
import { SendPage } from './pages/send/send-page.js';

export interface Page {
  /** In the order in which they are tried; below /console. */
  paths: readonly string[];
  component: ComponentType;
  /** Where it stands in the navigation; null: nowhere. */
  nav: { href: string; title: string } | null;
}

/** Every page; a queue's name is escaped in its path. */
export const PAGES: readonly Page[] = [
  { paths: ['/'], component: MeshPage, nav: { href: '/', title: 'Mesh' } },
  {
    paths: ['/queues/:node?/:queue?'],
    component: QueuesPage,
    nav: { href: '/queues', title: 'Queues' },
  },
  {
    paths: ['/messages/:node?/:id?'],
    component: MessagesPage,
    nav: { href: '/messages', title: 'Messages' },
  },
  { paths: ['/node/:node?'], component: NodePage, nav: { href: '/node', title: 'Node' } },
  { paths: ['/send'], component: SendPage, nav: { href: '/send', title: 'Send' } },
];
