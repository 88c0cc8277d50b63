import { rootCertificates } from 'node:tls';
import { RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { ClientCertificate, Login, NextHop, TokenSettings } from '../send/next-hop.js';
import { PRESETS } from '../send/presets.js';
import type { ReplyRule } from '../send/reply-table.js';
import { certificateSources } from './certificate-sources.js';
import type { CompileInputs } from './compile-inputs.js';
import { compileReplies } from './compile-replies.js';
import type { Path } from './fault.js';
import { entryOf, type HopPlan, type HopProblem } from './hop-plan.js';
import { joinHostPort } from './host-address.js';
import { shownCertificate } from './link-certificate.js';
import type { NodeHop } from './node-hops.js';
import { tierOf } from './node-spool.js';
import { passwordToSend } from './password-hashes.js';
import type { Topology } from './schema.js';

/** Turns the plans of one node into next hops: with ports, logins, and roots to verify with. */
export class NextHopCompiler {
  readonly #topology: Topology;
  readonly #inputs: CompileInputs;
  /** PEM texts of the CAs of the mesh that this node trusts. */
  readonly #meshRoots: readonly string[];
  /** Roots for everything that is not a node of the mesh; undefined: those of the system. */
  readonly outsideRoots: string[] | undefined;
  /** What refusals of every hop mean: the rows of the node, then those of `defaults`. */
  readonly replyRules: readonly ReplyRule[];

  constructor(topology: Topology, nodeName: string, inputs: CompileInputs) {
    this.#topology = topology;
    this.#inputs = inputs;
    this.replyRules = [entryOf(topology.nodes, nodeName), topology.defaults].flatMap((entry) =>
      compileReplies(entry?.replies),
    );
    this.#meshRoots = meshRoots(topology, nodeName, inputs);
    // a sink or an internal host may have its certificate from the CA of the mesh
    this.outsideRoots =
      this.#meshRoots.length === 0 ? undefined : [...rootCertificates, ...this.#meshRoots];
  }

  /**
   * @throws RelayError UNKNOWN_SMARTHOST, PORT_NOT_ALLOTTED, MISSING_CREDENTIAL, and whatever the
   *   inputs throw.
   */
  compile(hop: NodeHop): NextHop {
    const { planned } = hop;
    if ('problem' in planned) throw this.refusal(planned.problem);
    const { plan } = planned;
    const login = this.#loginOf(plan, hop);
    const next = this.compilePlan(plan, hop.path);
    if (login !== undefined) next.login = login;
    return next;
  }

  /**
   * The same without a login.
   *
   * @param path what an error points at
   * @throws RelayError PORT_NOT_ALLOTTED
   */
  compilePlan(plan: HopPlan, path: Path): NextHop {
    const port = this.portOf(plan, path);
    // inside of the mesh only its own CA vouches
    const ca =
      plan.kind === 'node' && this.#meshRoots.length > 0 ? [...this.#meshRoots] : this.outsideRoots;
    const replyRules = [
      ...compileReplies(plan.replies),
      ...this.replyRules,
      ...(plan.preset === undefined ? [] : PRESETS[plan.preset].replyRules),
    ];
    const tier = plan.kind === 'node' ? tierOf(this.#topology, plan.name) : undefined;
    return {
      name: plan.kind === 'host' ? joinHostPort(plan.host, port) : plan.name,
      kind: plan.kind,
      host: plan.host,
      port,
      ...(tier === undefined ? {} : { tier }),
      tls: plan.tls,
      implicitTls: plan.implicitTls,
      ...(plan.servername === undefined ? {} : { servername: plan.servername }),
      ...(ca === undefined ? {} : { ca }),
      allowInsecureAuth: plan.allowInsecureAuth,
      trace: plan.trace,
      ...(replyRules.length === 0 ? {} : { replyRules }),
    };
  }

  /** @throws RelayError PORT_NOT_ALLOTTED for `port: auto` outside of a run. */
  portOf(plan: Pick<HopPlan, 'kind' | 'name' | 'port' | 'listener'>, path: Path): number {
    if (plan.port !== 'auto') return plan.port;
    const { allotment, locate } = this.#inputs;
    const port =
      plan.kind === 'sink'
        ? entryOf(allotment?.sinks ?? {}, plan.name)
        : entryOf(entryOf(allotment?.listeners ?? {}, plan.name) ?? {}, plan.listener?.name ?? '');
    if (port !== undefined) return port;
    throw new RelayError(
      'PORT_NOT_ALLOTTED',
      `the port of ${plan.kind} '${plan.name}' is not known`,
      {
        fault: 'operator',
        where: locate(path),
        hint: 'start the node through `relaymesh topology up`, or replace `port: auto` by a port',
      },
    );
  }

  /** The error for a hop or a name that cannot be planned. */
  refusal({ path, message, hint }: HopProblem): RelayError {
    return new RelayError('UNKNOWN_SMARTHOST', message, {
      fault: 'operator',
      where: this.#inputs.locate(path),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  #loginOf(plan: HopPlan, hop: NodeHop): Login | undefined {
    const { username, password, token } = plan;
    if (username !== undefined && plan.byCertificate === true) {
      return { username, certificate: this.#certificateOf(plan) };
    }
    if (username === undefined && password === undefined && token === undefined) return undefined;
    if (username !== undefined && password !== undefined && token === undefined) {
      return { username, password: passwordToSend(password, this.#inputs) };
    }
    if (username !== undefined && token !== undefined && password === undefined) {
      return { username, token: this.#tokenSettings(token) };
    }
    const isWhole = username !== undefined && password !== undefined;
    const missing = username === undefined ? 'username' : 'password';
    throw new RelayError(
      'MISSING_CREDENTIAL',
      isWhole
        ? `the login at '${plan.name}' has both a password and a token`
        : `the login at '${plan.name}' has no ${missing}`,
      {
        fault: 'operator',
        where: this.#inputs.locate(
          plan.link?.used === true ? ['links', plan.link.index] : hop.path,
        ),
        hint: isWhole ? 'keep one of them' : 'give both or neither',
      },
    );
  }

  /** What the node shows on a link that it logs in at by certificate. */
  #certificateOf({ name, link }: HopPlan): ClientCertificate {
    const path = ['links', link?.index ?? -1];
    const entry = this.#topology.links[link?.index ?? -1];
    const shown = entry && shownCertificate(this.#topology, entry, path);
    const { allotment, readPem, locate } = this.#inputs;
    const files = shown?.kind === 'ephemeral' ? allotment?.tls : shown;
    if (files !== undefined && 'cert' in files) {
      return { cert: readPem(files.cert), key: new Secret(readPem(files.key)) };
    }
    throw new RelayError('NO_CERTIFICATE', `the link to '${name}' logs in by a certificate`, {
      fault: 'operator',
      where: locate([...path, 'certificate']),
      hint:
        shown?.kind === 'ephemeral'
          ? 'ephemeral certificates are made by `relaymesh topology up`; start the node through it'
          : 'name `cert` and `key` there, or under `tls`',
    });
  }

  #tokenSettings(token: NonNullable<HopPlan['token']>): TokenSettings {
    return 'file' in token
      ? { kind: 'file', path: this.#inputs.resolvePath(token.file) }
      : { kind: 'command', argv: token.command };
  }
}

/** PEM texts of the CAs that vouch for nodes of the mesh, as a node sees it. */
export function meshRoots(topology: Topology, nodeName: string, inputs: CompileInputs): string[] {
  const { ca, ephemeralCa } = certificateSources(topology, nodeName);
  const files = ca === undefined ? [] : [ca.file];
  const ephemeral = ephemeralCa ? inputs.allotment?.tls?.ca : undefined;
  if (ephemeral !== undefined) files.push(ephemeral);
  return files.map((file) => inputs.readPem(file));
}
