import { NUMBERS } from './mutate.js';

/** Topologies with what those that come along do not have. */
export const TOPOLOGIES: readonly string[] = [
  `version: 1
name: odd
secrets:
  one: { env: ONE }
  two: { file: ./two }
  three: { generate: true }
tls: { ca: ca.pem }
defaults:
  max-connections: 4
  retry-interval: [60, 300]
  max-message-size: 10M
  replies:
    - { at: rcpt, code: 550, match: ["try (again|later)+"], then: deferred }
nodes:
  a:
    host: a.example.org
    hostname: mail.example.org
    listen:
      - { name: in, port: 25, host: 0.0.0.0, tls: opportunistic, trace: accept }
    tls: { cert: a.pem, key: a.key }
    api: { port: 8025, token: { secret: one } }
    users:
      - { username: app, password: { secret: two }, may: [relay, steer], steer-to: [b, "esp.example:587"] }
    relay-from: [10.0.0.0/8, "2001:db8::/32"]
    queues: [{ queue: "*.example.com", max-connections: 2 }]
    routes:
      - { recipient: "*@x.test", sender: "a@*", smarthost: { host: smtp.example.com, port: 587, tls: verified, username: u, password: { secret: one } } }
      - { recipient: "/^(a|b)+@y\\\\.test$/", smarthost: b }
    smarthost: mx
  b:
    listen: [{ port: auto }]
    smarthost: { pool: [{ to: box, weight: 3 }, { to: box2 }], failover: [box3] }
links:
  - { from: a, to: b, username: a, password: { secret: three }, tls: required, trace: envelope, max-messages-per-minute: 60 }
sinks:
  box: { port: auto, stands-for: ["*"] }
  box2: { port: auto }
  box3: { port: auto }
`,
  `version: 1
name: small
nodes: { n: { listen: [{ port: 2525 }], smarthost: s, relay-from: [127.0.0.1] } }
sinks: { s: { port: 2526 } }
`,
  `version: 1
name: aliases
x: &x [1, 2, 3]
nodes:
  n: &n
    listen: [{ port: auto }]
    smarthost: s
  m:
    <<: *n
  k: *n
sinks: { s: { port: auto } }
`,
];

export const YAML_WORDS: readonly string[] = [
  '- ',
  ': ',
  '{',
  '}',
  '[',
  ']',
  '&a ',
  '*a',
  '*a, *a, *a, *a, *a',
  '&a [*a]',
  '<<: *n',
  '!!binary ',
  '!!js/function ',
  '!tag ',
  '%YAML 1.1\n---\n',
  '---\n',
  '...\n',
  '? ',
  '| \n',
  '>+2\n',
  '"\\x00"',
  '"\\ud800"',
  "'",
  '"',
  '#',
  '\t',
  '~',
  'null',
  'true',
  'yes',
  '.inf',
  '.nan',
  '0o17',
  '2026-01-01',
  '__proto__: ',
  'constructor: ',
  'toString: ',
  'hasOwnProperty: ',
  '{ secret: one }',
  'smarthost: mx',
  'tls: verified',
  'port: auto',
  'match: ["(a+)+$"]',
  'recipient: "/(a|a)*b/"',
  '"*@*.*"',
  'pool: []',
  'weight: 0',
  '# relaymesh-lint-disable-file cycle: why\n',
  '# relaymesh-lint-disable-line\n',
  '\ufeff',
  '\u2028',
  '\u0085',
  ...NUMBERS,
];

export const CONFIG_FILES: readonly string[] = [
  `# a node of its own
node-name: edge
smtp-ip: 127.0.0.1
smtp-port: 2525
smtp-tls: none
relay-from: 127.0.0.1, 10.0.0.0/8
smarthost-address: smtp.example.com
smarthost-port: 587
smarthost-username: me
smarthost-password: "se\\"cret # not a comment"
smarthost-tls: verified
max-connections: 5
retry-interval: 60, 300, 900
expire-after: 86400
max-message-size: 10M
log-level: info
`,
  `smtp-sink-address: 127.0.0.1
smtp-sink-port: 2526
api-port: 8025
api-hosts: relay.example
steer-to: esp.example:587
dns-servers: 127.0.0.1
otlp-endpoint: http://127.0.0.1:4318
otlp-timeout: 5
`,
  'smarthost-address: 192.0.2.1\r\nsmarthost-port: 25\r\n; a comment\r\n',
];

export const USER_FILES: readonly string[] = [
  'app: secret\nother: with: colons\n# comment\n spaced :  value \n',
  'app: secret\r\napp: twice\r\n: no name\r\nno colon\r\nempty:\r\n',
  'hashed: $scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2E$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g\n',
];

export const HEADER_FILES: readonly string[] = [
  'authorization: Bearer abc\nx-scope: one\n# comment\n',
  'host: x\r\nname only\r\nx: \r\nx-a: b\r\nx-a: c\r\n',
];

export const FLAT_WORDS: readonly string[] = [
  ': ',
  '#',
  ';',
  '"',
  '\\"',
  '\\',
  '$scrypt$',
  '$scrypt$ln=99,r=8,p=1$',
  'smarthost-address: x\n',
  'smarthost-password: ',
  'node-name: ',
  '__proto__: ',
  'constructor: x\n',
  '\t',
  '\ufeff',
  '\u2028',
  '[::1]:25',
  '0.0.0.0/0',
  ',',
  'true',
  ...NUMBERS,
];

export const FAULT_FILES: readonly string[] = [
  `- { at: rcpt, match: "*@x.test", reply: "550 5.1.1 no such user" }
- { at: message, reply: "451 4.7.1 later", first: 3 }
- at: data
  delay: 100ms-2s
  distribution: exponential
  seed: 7
- { at: greeting, close: true, rate: 0.5 }
- { at: mail, reset: true, every: 10 }
- { at: message, lose: true }
- { at: connect, bytes-per-second: 100 }
`,
  '[{"at":"ehlo","stall":true},{"at":"rcpt","delay-ms":10}]',
  '- &a { at: rcpt, reply: "250 ok" }\n- *a\n',
];
