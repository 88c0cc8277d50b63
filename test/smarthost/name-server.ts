import type { TestContext } from 'node:test';
import { startDnsServer, type DnsServer, type DnsZone } from '../route/dns-server.js';
import { atEnd } from '../scenario/at-end.js';

/** A DNS server on loopback that ends with the test. */
export async function startNameServer(t: TestContext, zone: DnsZone): Promise<DnsServer> {
  const server = await startDnsServer(zone);
  atEnd(t, () => server.close());
  return server;
}

/** The zone of domains whose one mail server is on loopback. */
export function mailDomains(...domains: string[]): DnsZone {
  const entries = domains.map((domain): [string, DnsZone[string]] => [
    domain,
    { MX: [[10, 'mx.mail-domains.test']] },
  ]);
  return { ...Object.fromEntries(entries), 'mx.mail-domains.test': { A: ['127.0.0.1'] } };
}
