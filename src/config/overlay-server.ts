import type { NodeEntry } from '../topology/schema.js';
import type { OverlayContext } from './overlay-context.js';

/** The flat keys about who is listened to, laid over a node's entry. */
export function overlayServer(node: NodeEntry, context: OverlayContext): void {
  overlayListeners(node, context);
  overlayTls(node, context);
  overlayApi(node, context);
  overlayUsers(node, context);
}

/**
 * `smtp-port` replaces the listeners as a whole, one for each port; what else a new one needs it
 * takes from the listener in its place, or from the first. The others change every listener.
 */
function overlayListeners(node: NodeEntry, { config, nodeName, origins }: OverlayContext): void {
  const [first] = node.listen;
  const ports = config.value('smtp-port') ?? undefined;
  if (ports !== undefined && first !== undefined) {
    node.listen = ports.map((port, index) => {
      const name = index === 0 ? first.name : `${first.name.slice(0, 57)}-${port}`;
      return { ...first, name, ...node.listen[index], port };
    });
  }
  const host = config.value('smtp-ip') ?? undefined;
  const tls = config.value('smtp-tls') ?? undefined;
  node.listen = node.listen.map((listener, index) => {
    const path = ['nodes', nodeName, 'listen', index];
    origins.set(path, ports === undefined ? undefined : config.origin('smtp-port'));
    origins.set([...path, 'host'], config.origin('smtp-ip'));
    origins.set([...path, 'tls'], config.origin('smtp-tls'));
    return {
      ...listener,
      ...(host === undefined ? {} : { host }),
      ...(tls === undefined ? {} : { tls }),
    };
  });
}

/** Each file by itself replaces the one of the node, or of the topology. */
function overlayTls(node: NodeEntry, { config, nodeName, origins }: OverlayContext): void {
  const tls: { ca?: string; cert?: string; key?: string } =
    node.tls === undefined || 'ephemeral' in node.tls ? {} : withoutUndefined(node.tls);
  let changed = false;
  for (const part of ['ca', 'cert', 'key'] as const) {
    const file = config.value(`tls-${part}`);
    if (file === undefined) continue;
    changed = true;
    if (file === null) delete tls[part];
    else tls[part] = file;
    origins.set(['nodes', nodeName, 'tls', part], config.origin(`tls-${part}`));
  }
  if (changed) node.tls = tls;
}

function withoutUndefined<T extends object>(
  object: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function overlayApi(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins, declare } = context;
  const host = config.value('api-ip') ?? undefined;
  const port = config.value('api-port') ?? undefined;
  const hosts = config.value('api-hosts');
  const tokenFile = config.value('api-token-file') ?? undefined;
  if ([host, port, hosts, tokenFile].every((value) => value === undefined)) return;
  const path = ['nodes', nodeName, 'api'];
  const api = node.api ?? { host: '127.0.0.1', port: 'auto' as const };
  node.api = {
    ...api,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(hosts === undefined ? {} : { hosts: hosts ?? [] }),
  };
  origins.set([...path, 'hosts'], config.origin('api-hosts'));
  origins.set([...path, 'host'], config.origin('api-ip'));
  origins.set([...path, 'port'], config.origin('api-port'));
  if (tokenFile === undefined) return;
  const origin = config.origin('api-token-file');
  node.api.token = declare('api-token-file', { file: tokenFile }, origin);
  origins.set([...path, 'token'], origin);
}

/** The users of the file stand beside those of the topology. */
function overlayUsers(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins, declare } = context;
  const known = node.users.length;
  const added = config.users.map(({ username, password, origin }, index) => {
    origins.set(['nodes', nodeName, 'users', known + index], origin);
    return {
      username,
      password: declare(`password of ${username}`, password, origin),
      may: ['relay' as const],
      'steer-to': [],
    };
  });
  node.users = [...node.users, ...added];
}
