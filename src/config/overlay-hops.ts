import type { Path } from '../topology/fault.js';
import { parseHostPort } from '../topology/host-address.js';
import type { HopObject } from '../topology/schema-routes.js';
import type { NodeEntry } from '../topology/schema.js';
import { isHigher, type Origin } from './origin.js';
import type { OverlayContext } from './overlay-context.js';
import type { ConfigKey } from './schema.js';

type Prefix = 'smarthost' | 'smtp-sink';

/** Members of a hop, beside its host and its password, that a flat key sets. */
const PLAIN_MEMBERS = ['port', 'username', 'tls', 'implicit-tls'] as const;
const SMARTHOST_KEYS = [
  'smarthost-port',
  'smarthost-username',
  'smarthost-password',
  'smarthost-password-file',
  'smarthost-token-file',
  'smarthost-tls',
  'smarthost-implicit-tls',
] as const satisfies ConfigKey[];

/** The flat keys about the smarthost and the sink, laid over a node's entry. */
export function overlayHops(node: NodeEntry, context: OverlayContext): void {
  overlaySmarthost(node, context);
  overlaySink(node, context);
}

/**
 * A `smarthost` of a flat key replaces the one of the topology as a whole. The other keys change
 * single members, also of a smarthost that the topology writes as a mapping.
 */
function overlaySmarthost(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const host = config.value('smarthost');
  if (host === null) {
    delete node.smarthost;
    deleteMembers(node, 'smarthost');
  } else if (host !== undefined) {
    node.smarthost = host;
    origins.set(['nodes', nodeName, 'smarthost'], config.origin('smarthost'));
  }
  const { smarthost } = node;
  if (smarthost === undefined || smarthost === '') {
    reportLoginNowhere(context);
  } else if (typeof smarthost === 'string') {
    overlayMembers(node, 'smarthost', context);
    settlePort(node, smarthost, context);
    warnOfLogin(node, smarthost, 'smarthost', context);
    tokenIntoMapping(node, context);
  } else if ('pool' in smarthost) {
    refusePool(context);
  } else {
    node.smarthost = changedMapping(smarthost, context);
  }
}

function overlaySink(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const address = config.value('smtp-sink-address');
  if (address === null) {
    delete node['smtp-sink-address'];
    deleteMembers(node, 'smtp-sink');
  } else if (address !== undefined) {
    node['smtp-sink-address'] = address;
    origins.set(['nodes', nodeName, 'smtp-sink-address'], config.origin('smtp-sink-address'));
  }
  const sink = node['smtp-sink-address'] ?? '';
  if (sink === '' || sink === '0.0.0.0') return;
  overlayMembers(node, 'smtp-sink', context);
  warnOfLogin(node, sink, 'smtp-sink', context);
}

function deleteMembers(node: NodeEntry, prefix: Prefix): void {
  for (const member of [...PLAIN_MEMBERS, 'password'] as const) delete node[`${prefix}-${member}`];
}

/** The flat keys as flat keys. */
function overlayMembers(node: NodeEntry, prefix: Prefix, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const entry: Record<string, unknown> = node;
  for (const member of PLAIN_MEMBERS) {
    const key = `${prefix}-${member}` as const;
    const value = config.value(key);
    if (value === null) delete entry[key];
    else if (value !== undefined) entry[key] = value;
    origins.set(['nodes', nodeName, key], config.origin(key));
  }
  const credential = passwordKey(prefix, config);
  if (credential === undefined) return;
  const key = `${prefix}-password` as const;
  delete node[key];
  const password = declaredPassword(prefix, context);
  if (password !== undefined) node[key] = password;
  origins.set(['nodes', nodeName, key], config.origin(credential));
}

/** Of a port behind the host and one in `smarthost-port` the one of the higher level holds. */
function settlePort(node: NodeEntry, smarthost: string, { config }: OverlayContext): void {
  const place = parseHostPort(smarthost);
  if (place?.port === undefined || node['smarthost-port'] === undefined) return;
  const ofHost = config.origin('smarthost')?.level ?? 'topology';
  const ofPort = config.origin('smarthost-port')?.level ?? 'topology';
  if (isHigher(ofHost, ofPort)) delete node['smarthost-port'];
  else if (isHigher(ofPort, ofHost)) node.smarthost = place.host;
}

/** The members of a smarthost that the topology writes as a mapping. */
function changedMapping(before: HopObject, context: OverlayContext): HopObject {
  const { config, nodeName, origins } = context;
  const path = ['nodes', nodeName, 'smarthost'];
  const mapping: HopObject = { ...before };
  const entry: Record<string, unknown> = mapping;
  for (const member of PLAIN_MEMBERS) {
    const key = `smarthost-${member}` as const;
    const value = config.value(key);
    if (value === null) delete entry[member];
    else if (value !== undefined) entry[member] = value;
    origins.set([...path, member], config.origin(key));
  }
  const insecure = config.value('allow-insecure-auth') ?? undefined;
  if (insecure !== undefined) mapping['allow-insecure-auth'] = insecure;
  const credential = passwordKey('smarthost', config);
  if (credential === undefined) return mapping;
  delete mapping.password;
  delete mapping.token;
  const password = declaredPassword('smarthost', context);
  const file = config.value('smarthost-token-file') ?? undefined;
  if (password !== undefined) mapping.password = password;
  if (file !== undefined) mapping.token = { file };
  origins.set([...path, file === undefined ? 'password' : 'token'], config.origin(credential));
  return mapping;
}

/** Only a mapping can hold a token: the flat keys of the smarthost become one. */
function tokenIntoMapping(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const { smarthost } = node;
  const file = config.value('smarthost-token-file') ?? undefined;
  if (file === undefined || typeof smarthost !== 'string') return;
  const path = ['nodes', nodeName, 'smarthost'];
  const place = parseHostPort(smarthost);
  const port = node['smarthost-port'] ?? place?.port;
  const username = node['smarthost-username'] ?? '';
  const tls = node['smarthost-tls'];
  const implicitTls = node['smarthost-implicit-tls'];
  node.smarthost = {
    hostname: place?.host ?? smarthost,
    ...(port === undefined ? {} : { port }),
    ...(username === '' ? {} : { username }),
    token: { file },
    ...(tls === undefined ? {} : { tls }),
    ...(implicitTls === undefined ? {} : { 'implicit-tls': implicitTls }),
    'allow-insecure-auth': node['allow-insecure-auth'] ?? false,
  };
  for (const member of PLAIN_MEMBERS) {
    delete node[`smarthost-${member}`];
    origins.set([...path, member], config.origin(`smarthost-${member}`));
  }
  origins.set([...path, 'token'], config.origin('smarthost-token-file'));
}

/** The key that says what the password is: one with a value, else one that takes it away. */
function passwordKey(prefix: Prefix, config: OverlayContext['config']): ConfigKey | undefined {
  const keys: ConfigKey[] = [`${prefix}-password`, `${prefix}-password-file`];
  if (prefix === 'smarthost') keys.push('smarthost-token-file');
  return (
    keys.find((key) => (config.value(key) ?? undefined) !== undefined) ??
    keys.find((key) => config.has(key))
  );
}

function declaredPassword(
  prefix: Prefix,
  { config, declare }: OverlayContext,
): { secret: string } | undefined {
  const key = passwordKey(prefix, config);
  if (key === undefined || key === 'smarthost-token-file') return undefined;
  const origin = config.origin(key);
  const file = config.value(`${prefix}-password-file`) ?? undefined;
  if (file !== undefined) return declare(key, { file }, origin);
  const password = config.value(`${prefix}-password`) ?? undefined;
  return password === undefined ? undefined : declare(key, password, origin);
}

function refusePool({ config, nodeName, locate, report }: OverlayContext): void {
  const place = locate(['nodes', nodeName, 'smarthost']);
  for (const key of SMARTHOST_KEYS) {
    const origin = config.origin(key);
    if (origin === undefined || config.value(key) === null) continue;
    report({
      ruleId: 'excluding-keys',
      severity: 'error',
      message: `${key} cannot say which member of the pool it is for (${place})`,
      hint: 'set smarthost too, which replaces the pool, or change the pool in the topology',
      where: origin.where,
    });
  }
}

function reportLoginNowhere({ config, report }: OverlayContext): void {
  for (const key of SMARTHOST_KEYS) {
    const origin = config.origin(key);
    const isLogin = /username|password|token/.test(key);
    if (!isLogin || origin === undefined || config.value(key) === null) continue;
    report({
      ruleId: 'unused-key',
      severity: 'warning',
      message: `${key} has no effect: there is no smarthost`,
      where: origin.where,
    });
  }
}

/**
 * Each key has its own precedence, so a login can meet a host that it was not written for. That is
 * done, since it is how precedence works, and said.
 */
function warnOfLogin(node: NodeEntry, host: string, prefix: Prefix, context: OverlayContext): void {
  const { config, nodeName, locate, report } = context;
  const username = node[`${prefix}-username`] ?? '';
  const token =
    prefix === 'smarthost' ? (config.value('smarthost-token-file') ?? undefined) : undefined;
  const hasPassword = node[`${prefix}-password`] !== undefined || token !== undefined;
  if (username === '' || !hasPassword) return;
  const originOf = (path: Path, key: ConfigKey | undefined): Pick<Origin, 'level' | 'where'> =>
    (key === undefined ? undefined : config.origin(key)) ?? {
      level: 'topology',
      where: locate(path),
    };
  const hostKey = prefix === 'smarthost' ? 'smarthost' : 'smtp-sink-address';
  const path = ['nodes', nodeName];
  const ofHost = originOf([...path, hostKey], hostKey);
  const ofUsername = originOf([...path, `${prefix}-username`], `${prefix}-username`);
  const ofPassword = originOf([...path, `${prefix}-password`], passwordKey(prefix, config));
  const lower = [ofUsername, ofPassword].some(({ level }) => isHigher(ofHost.level, level));
  if (!lower) return;
  const word = token === undefined ? 'password' : 'token';
  report({
    ruleId: 'login-elsewhere',
    severity: 'warning',
    message: `the login '${username}' (username: ${ofUsername.where}, ${word}: ${ofPassword.where}) goes to ${hostKey} '${host}' (${ofHost.where})`,
    hint: `set the login in the same place as the host, or an empty ${prefix}-username to log in nowhere`,
    where: ofHost.where,
  });
}
