/** A mesh as it is deployed: real names, files, ports; nothing that only runs on one machine. */
export const PRODUCTION = `version: 1
name: mesh
secrets:
  app: { env: APP_PASSWORD }
  edge-core: { file: secrets/edge-core }
  edge-core-old: { file: secrets/edge-core-old }
  core-exit: { file: /run/keys/core-exit }
  esp: { env: ESP_PASSWORD }
  api: { file: secrets/api }
  collector: { env: COLLECTOR_KEY }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
defaults:
  max-connections: 40
  drain-timeout: 60
  otlp: { endpoint: "https://collector.example", headers: { authorization: { secret: collector } } }
nodes:
  edge:
    host: edge.mail.internal
    listen:
      - { name: submission, port: 587, tls: required }
      - { name: relay, port: 2525 }
    api: { host: 0.0.0.0, port: 8025, token: { secret: api } }
    users: [{ username: app, password: { secret: app }, may: [relay, steer], steer-to: [exit] }]
    relay-from: [10.0.0.0/8]
    expire-after: 86400
    routes:
      - { recipient: "*@vip.example", smarthost: core-b }
    smarthost: { pool: [{ to: core-a, weight: 3 }, { to: core-b, weight: 1 }] }
  core-a:
    host: core-a.mail.internal
    listen: [{ port: 2525, tls: required }]
    api: { host: 0.0.0.0, port: 8025, token: { secret: api } }
    smarthost: exit
  core-b:
    host: core-b.mail.internal
    listen: [{ port: 2525, tls: required }]
    api: { host: 0.0.0.0, port: 8025, token: { secret: api } }
    max-queue-size: 4GiB
    smarthost: exit
  exit:
    host: exit.mail.internal
    listen: [{ port: 2525, tls: required }]
    api: { host: 0.0.0.0, port: 8025, token: { secret: api } }
    otlp: none
    tls: { cert: /etc/mail/exit.pem, key: /etc/mail/exit.key }
    smarthost:
      hostname: smtp.provider.example
      port: 587
      username: customer-4711
      password: { secret: esp }
  third:
    host: third.mail.internal
    listen: [{ port: 2525 }]
    relay-from: [10.0.0.0/8]
    smarthost: smtp.provider.example
links:
  - { from: edge, to: core-a, username: edge, password: { secret: edge-core }, also-accept: [{ secret: edge-core-old }] }
  - { from: edge, to: core-b, username: edge, password: { secret: edge-core }, may: [steer], steer-to: ["*.esp.example:587", third] }
  - { from: core-a, to: exit, username: core-a, password: { secret: core-exit } }
  - { from: core-b, to: exit, username: core-b, password: { secret: core-exit } }
`;
