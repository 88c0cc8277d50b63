import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { Secret } from '../../../../src/base/secret.js';
import { submit } from '../../../../src/send/submit.js';
import type { SinkSettings, SinkTls } from '../../../../src/sink/settings.js';
import type { RunningSink } from '../../../../src/sink/sink.js';
import type { MessagePage } from '../../../../src/sink/store.js';
import { ensureEphemeralTls } from '../../../../src/topology/ephemeral-tls.js';
import { LinkProxy, type LinkProxyOptions } from '../../../../src/topology/lab/proxy/link-proxy.js';
import { get, runSink, scratchDirectory } from '../../../sink/client.js';

export interface TestLink {
  sink: RunningSink;
  proxy: LinkProxy;
  /** PEM file of the CA that vouches for the sink. */
  caFile: string;
  /** Hands in one message through the link, as a node's client does; its last reply. */
  send: (body?: string | Buffer, recipients?: string[]) => Promise<string>;
  /** What the sink has. */
  arrived: () => Promise<MessagePage['messages']>;
}

const APP = { username: 'app', password: new Secret('pass') };

/** A sink and a link to it. Both end with the test. */
export async function openLink(
  t: TestContext,
  tls: SinkTls = 'none',
  options: Partial<LinkProxyOptions> = {},
  settings: Partial<SinkSettings> = {},
): Promise<TestLink> {
  const folder = scratchDirectory(t);
  const { caFile, certificates } = await ensureEphemeralTls(folder, [{ name: 'mx', hosts: [] }]);
  const files = certificates.get('mx') as { certFile: string; keyFile: string };
  const certificate = {
    cert: readFileSync(files.certFile, 'utf8'),
    key: readFileSync(files.keyFile, 'utf8'),
  };
  const sink = await runSink(t, {
    tls,
    ...(tls !== 'none' && { certificate, users: [APP] }),
    ...settings,
  });
  const proxy = await LinkProxy.open({
    target: sink.smtp,
    tls,
    certificate: tls === 'none' ? null : { ...files, caFile },
    seed: 1,
    ...options,
  });
  t.after(() => proxy.close());
  const send = async (
    body: string | Buffer = 'x',
    recipients = ['b@x.example'],
  ): Promise<string> => {
    const { reply } = await submit({
      host: '127.0.0.1',
      port: proxy.port,
      tls: tls === 'opportunistic' ? 'required' : tls,
      ...(tls !== 'none' && { ca: readFileSync(caFile, 'utf8'), login: APP }),
      hostname: 'client.example',
      sender: 'a@x.example',
      recipients,
      message: Buffer.concat([
        Buffer.from('Subject: x\r\n\r\n'),
        Buffer.from(body),
        Buffer.from('\r\n'),
      ]),
      timeoutMs: 10_000,
    });
    return reply;
  };
  const arrived = async (): Promise<MessagePage['messages']> =>
    ((await (await get(sink, '/messages')).json()) as MessagePage).messages;
  return { sink, proxy, caFile, send, arrived };
}
