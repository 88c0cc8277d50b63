import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createLocator, type LocatorOptions } from '../../src/route/mx.js';
import type { MxSettings } from '../../src/route/table.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { startDnsServer, type DnsZone } from './dns-server.js';

const MX: MxSettings = { port: 2500, tls: 'opportunistic' };

export function mxHop(domain: string, changes: Partial<NextHop> = {}): NextHop {
  return {
    name: domain,
    kind: 'mx',
    host: domain,
    port: 2500,
    tls: 'opportunistic',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'none',
    ...changes,
  };
}

/** A locator that asks a DNS server of this zone, and what it finds as text. */
export async function locatorFor(
  t: TestContext,
  zone: DnsZone,
  changes: Partial<LocatorOptions> = {},
) {
  const dns = await startDnsServer(zone);
  const locator = createLocator({
    dnsServers: [dns.address],
    mx: () => MX,
    isOwn: () => false,
    chance: () => 0.99,
    ...changes,
  });
  t.after(() => {
    locator.close();
    dns.close();
  });
  const hosts = async (hop: NextHop): Promise<string[]> => {
    const located = await locator.locate(hop);
    assert.ok('hosts' in located, 'refusal' in located ? located.refusal.text : '');
    return located.hosts.map(({ host, address }) => `${host} ${address}`);
  };
  /** `kind code enhanced text` of a refusal. */
  const refusal = async (hop: NextHop): Promise<string> => {
    const located = await locator.locate(hop);
    assert.ok('refusal' in located);
    const { kind, code, enhanced, text, inTransaction } = located.refusal;
    assert.equal(inTransaction, false);
    return `${kind} ${code} ${enhanced} ${text}`;
  };
  return { dns, locator, hosts, refusal };
}
