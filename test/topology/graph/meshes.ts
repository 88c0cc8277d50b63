/**
 * Twelve nodes with everything that a picture has to show: four tiers, pools with failover, routes,
 * a circle, a part of its own, MX, outside hosts, a sink that takes another way's place, an unused
 * link, and names that mean something to XML, Mermaid and Graphviz.
 */
export const MESH_OF_TWELVE = `version: 1
name: mesh-of-twelve
secrets:
  app: { env: MESH_APP }
  link: { env: MESH_LINK }
  esp: { env: MESH_ESP }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
nodes:
  berlin:
    host: berlin.mail.internal
    listen:
      - { name: submission, port: 2587, tls: required }
      - { name: relay, port: 2525 }
    users:
      - { username: 'app "one" <a&b>', password: { secret: app } }
      - { username: app2, password: { secret: app }, may: [relay, steer], steer-to: [exit-a, "*.esp.example:587"] }
    routes:
      - { recipient: "*@vip.example", smarthost: exit-a }
      - { sender: ["*@bulk.example", "news|letter@*"], size: ">5MB", smarthost: { pool: [{ to: core-c, weight: 2 }, { to: core-d, weight: 1 }], failover: [exit-b] } }
    smarthost: { pool: [{ to: core-a, weight: 3 }, { to: core-b, weight: 1 }], failover: [core-c] }
  lisbon:
    host: lisbon.mail.internal
    listen: [{ name: relay, port: 2525 }]
    relay-from: [10.1.0.0/16]
    smarthost: { pool: [{ to: core-a }, { to: core-b }], failover: [core-c] }
  oslo:
    host: oslo.mail.internal
    listen: [{ name: relay, port: 2525 }]
    relay-from: [10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16, 10.5.0.0/16]
    smarthost: { pool: [{ to: core-b }, { to: core-c }] }
  rome:
    host: rome.mail.internal
    listen: [{ name: submission, port: 465, tls: implicit }]
    users: [{ username: app, password: { secret: app } }]
    smarthost: { pool: [{ to: core-c }, { to: core-d }], failover: [core-a, core-b] }
  core-a: { host: core-a.mail.internal, listen: [{ port: 2525, tls: required }], smarthost: exit-a }
  core-b:
    host: core-b.mail.internal
    listen: [{ port: 2525, tls: required }]
    smarthost: { pool: [{ to: exit-a }, { to: exit-b }] }
  core-c:
    host: core-c.mail.internal
    listen: [{ port: 2525, tls: required }]
    routes: [{ tag: urgent, smarthost: core-d }]
    smarthost: exit-b
  core-d:
    host: core-d.mail.internal
    listen: [{ port: 2525, tls: required }]
    routes: [{ attempts: ">=3", smarthost: core-c }]
    smarthost: exit-c
  exit-a: { host: exit-a.mail.internal, listen: [{ port: 2525, tls: required }] }
  exit-b:
    host: exit-b.mail.internal
    listen: [{ port: 2525, tls: required }]
    smarthost: { hostname: smtp.esp.example, port: 587, username: customer, password: { secret: esp } }
  exit-c:
    host: exit-c.mail.internal
    listen: [{ port: 2525, tls: required }]
    smtp-sink-address: catch-all
  island:
    host: island.mail.internal
    listen: [{ port: 2525 }]
    relay-from: [192.168.7.0/24]
    smarthost: lagoon
links:
  - { from: berlin, to: core-a, username: berlin, password: { secret: link }, tls: verified }
  - { from: berlin, to: core-b, username: berlin, password: { secret: link }, tls: verified }
  - { from: lisbon, to: core-a, username: lisbon, password: { secret: link }, tls: verified }
  - { from: lisbon, to: core-b, username: lisbon, password: { secret: link }, tls: required }
  - { from: core-a, to: exit-a, username: core-a, password: { secret: link }, tls: verified }
  - { from: core-a, to: exit-b, username: core-a, password: { secret: link }, tls: verified }
sinks:
  catch-all: { host: 10.9.0.1, port: 2526 }
  lagoon: { host: 10.9.0.2, port: 2527 }
`;
