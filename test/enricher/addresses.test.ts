import test from 'ava'
import fc from 'fast-check'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { enriched, objectsOf, tableOf } from './enriched.ts'

const { node, pod } = objectsOf('east')
const at = (address: string, more: object = {}) => ({ cluster: 'east', time: 1, src_address: address, ...more })

/** Texts of one IPv4 address that sources and objects have. */
function formsOf(ipv4: string): string[] {
  const [a, b, c, d] = ipv4.split('.').map(Number)
  const hex = (high: number, low: number) => (high * 256 + low).toString(16)
  return [ipv4, `::ffff:${ipv4}`, `::FFFF:${ipv4}`, `::ffff:${hex(a, b)}:${hex(c, d)}`, `0:0:0:0:0:ffff:${hex(a, b)}:${hex(c, d)}`]
}

test('an IPv4 address is one address in all its forms, whoever writes it how', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.ipV4().filter(address => address !== '0.0.0.0'),
      fc.nat(4),
      async (address, form) => {
        const steps = [kubernetes(tableOf(pod('cart-1', formsOf(address)[form])))]
        const rows = await enriched(
          steps,
          formsOf(address).map(text => at(text)),
        )
        t.deepEqual(
          rows.map(row => [row.src_address, row.src_pod]),
          rows.map(() => [address, 'cart-1']),
        )
      },
    ),
    { numRuns: 50 },
  )
})

test('a pod with two stacks is one pod, by either address', async t => {
  const table = tableOf(
    pod('cart-1', '', { addresses: ['10.0.0.1', 'fd00:10::1'] }),
    pod('web-1', '', { addresses: ['10.0.0.2', 'fd00:10::2'] }),
  )
  const rows = await enriched(
    [kubernetes(table)],
    ['10.0.0.1', 'fd00:10::1', 'FD00:10:0:0:0:0:0:1', '10.0.0.2', 'fd00:10::2'].map(text => at(text)),
  )
  t.deepEqual(
    rows.map(row => row.src_pod),
    ['cart-1', 'cart-1', 'cart-1', 'web-1', 'web-1'],
  )
})

test('a loopback address is nobody’s, whatever pods share the address of a node', async t => {
  const table = tableOf(
    node('node-1', '192.168.0.1'),
    pod('agent-1', '192.168.0.1', { host_network: true, ports: ['tcp/15006'], node: 'node-1' }),
  )
  const loopback = ['127.0.0.1', '127.0.0.6', '::1', '::ffff:127.0.0.1']
  const records = loopback.map(text =>
    at('10.0.0.9', { dst_address: text, dst_port: 15_006, src_port: 40_000, is_reply: 'no', protocol: 'tcp' }),
  )
  for (const row of await enriched([orientation(table), kubernetes(table), network()], records))
    t.like(row, { dst_pod: '', dst_node: '', dst_network: 'loopback', dst_attribution: 'none' })
})

test('a client behind a load balancer is the node that put its address in place, and what the client says of itself is no end', async t => {
  const table = tableOf(node('node-1', '192.168.0.1'), pod('ingress-1', '10.0.0.1'))
  const seen = { ...at('192.168.0.1', { dst_address: '10.0.0.1', dst_port: 8080 }), attributes: { 'x-forwarded-for': '203.0.113.5' } }
  const [row] = await enriched([orientation(table), kubernetes(table), network({ customers: ['203.0.113.0/24'] })], [seen], 'request')
  t.like(row, {
    src_address: '192.168.0.1',
    src_node: 'node-1',
    src_pod: '',
    src_network: '',
    src_attribution: 'exact',
    dst_pod: 'ingress-1',
  })
  t.deepEqual(row.attributes, { 'x-forwarded-for': '203.0.113.5' })
})
