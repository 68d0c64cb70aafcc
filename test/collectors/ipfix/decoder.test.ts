import test from 'ava'
import fc from 'fast-check'
import { openDecoder, received } from './decoding.ts'
import {
  type FieldSpec,
  expandedSample,
  exportedAt,
  flowSample,
  ipfix,
  ipfixOptionsTemplate,
  ipfixTemplate,
  ipv4,
  netflow5,
  netflow9,
  netflowOptionsTemplate,
  netflowTemplate,
  number,
  rawHeader,
  set,
  sflow,
  uint16,
  uint32,
  variableLength,
  xdr,
} from './encode.ts'

const addresses = [
  { id: 8, length: 4 },
  { id: 12, length: 4 },
]
const ends = Buffer.concat([ipv4('10.0.0.1'), ipv4('10.0.0.2')])
const milliseconds = exportedAt * 1000

/** Rows of one record whose template has addresses and these fields. */
async function rowsOf(fields: readonly FieldSpec[], values: readonly Buffer[], more: readonly Buffer[] = []) {
  const opened = openDecoder()
  await opened.take(ipfix([...more, ipfixTemplate(256, [...addresses, ...fields]), set(256, Buffer.concat([ends, ...values]))]))
  return opened.rows()
}

const u8 = (value: number) => number(value, 1)
const ntp = (seconds: number, fraction: number) => Buffer.concat([uint32(seconds + 2208988800), uint32(fraction)])

const elements: Record<string, { fields: FieldSpec[]; values: Buffer[]; like: Record<string, unknown> }> = {
  'times in seconds': {
    fields: [
      { id: 150, length: 4 },
      { id: 151, length: 4 },
    ],
    values: [uint32(exportedAt - 10), uint32(exportedAt - 3)],
    like: { time: (exportedAt - 3) * 1e6, duration: 7e9 },
  },
  'times in milliseconds': {
    fields: [
      { id: 152, length: 8 },
      { id: 153, length: 8 },
    ],
    values: [number(milliseconds - 2500, 8), number(milliseconds - 500, 8)],
    like: { time: (milliseconds - 500) * 1000, duration: 2e9 },
  },
  'times in NTP format': {
    fields: [
      { id: 154, length: 8 },
      { id: 157, length: 8 },
    ],
    values: [ntp(exportedAt - 1, 2 ** 31), ntp(exportedAt, 2 ** 30)],
    like: { time: exportedAt * 1e6 + 250_000, duration: 750_000_000 },
  },
  'times as differences to that of the export': {
    fields: [
      { id: 158, length: 4 },
      { id: 159, length: 4 },
    ],
    values: [uint32(900_000), uint32(100_000)],
    like: { time: exportedAt * 1e6 - 100_000, duration: 800_000_000 },
  },
  'a start and a duration': {
    fields: [
      { id: 152, length: 8 },
      { id: 161, length: 4 },
    ],
    values: [number(milliseconds - 5000, 8), uint32(2000)],
    like: { time: (milliseconds - 3000) * 1000, duration: 2e9 },
  },
  'uptimes with the start of the system beside them': {
    fields: [
      { id: 22, length: 4 },
      { id: 21, length: 4 },
      { id: 160, length: 8 },
    ],
    values: [uint32(1000), uint32(4000), number(milliseconds - 10_000, 8)],
    like: { time: (milliseconds - 6000) * 1000, duration: 3e9 },
  },
  'no times at all, which leaves that of the export': { fields: [], values: [], like: { time: exportedAt * 1e6, duration: 0 } },
  'interfaces, VLAN, AS, next hop, class and end': {
    fields: [
      { id: 10, length: 4 },
      { id: 14, length: 2 },
      { id: 58, length: 2 },
      { id: 16, length: 2 },
      { id: 17, length: 4 },
      { id: 15, length: 4 },
      { id: 5, length: 1 },
      { id: 136, length: 1 },
      { id: 61, length: 1 },
    ],
    values: [uint32(7), uint16(0), uint16(42), uint16(64512), uint32(4200000000), ipv4('10.0.0.254'), u8(0xb8), u8(2), u8(1)],
    like: {
      interface: '7',
      out_interface: '',
      vlan: 42,
      src_as: 64512,
      dst_as: 4200000000,
      next_hop: '10.0.0.254',
      dscp: 46,
      end_reason: 'active_timeout',
      direction: 'egress',
    },
  },
  'ICMP type and code': {
    fields: [
      { id: 4, length: 1 },
      { id: 32, length: 2 },
    ],
    values: [u8(1), uint16(0x0301)],
    like: { protocol: 'icmpv4', icmp_type: 3, icmp_code: 1, dst_port: 0 },
  },
  'ICMP type and code in the port': {
    fields: [
      { id: 4, length: 1 },
      { id: 11, length: 2 },
    ],
    values: [u8(1), uint16(0x0800)],
    like: { protocol: 'icmpv4', icmp_type: 8, icmp_code: 0, dst_port: 0 },
  },
  'what was dropped': {
    fields: [
      { id: 132, length: 8 },
      { id: 133, length: 4 },
    ],
    values: [number(1500, 8), uint32(1)],
    like: { dropped_bytes: 1500, dropped_packets: 1, verdict: 'forwarded' },
  },
  'a status of dropped by an access list': {
    fields: [{ id: 89, length: 1 }],
    values: [u8(129)],
    like: { verdict: 'dropped', event: 'drop', drop_reason: 'policy_denied' },
  },
  'a firewall that denied': {
    fields: [{ id: 233, length: 1 }],
    values: [u8(3)],
    like: { verdict: 'dropped', event: 'policy_verdict', drop_reason: 'policy_denied', policy_source: 'dataplane' },
  },
  'counters of 64 bits': {
    fields: [
      { id: 1, length: 8 },
      { id: 2, length: 5 },
    ],
    values: [number(2n ** 40n + 5n, 8), number(2n ** 33n, 5)],
    like: { bytes: 2 ** 40 + 5, packets: 2 ** 33 },
  },
  'a name of the interface in the record': {
    fields: [{ id: 82, length: 65535 }],
    values: [variableLength(Buffer.from('eth0'))],
    like: { interface: 'eth0' },
  },
  'Kubernetes names of Antrea': {
    fields: [101, 100, 103, 102].map(id => ({ id, length: 65535, enterprise: 56506 })),
    values: ['web-1', 'shop', 'db-0', 'data'].map(text => variableLength(Buffer.from(text), true)),
    like: { src_pod: 'web-1', src_namespace: 'shop', dst_pod: 'db-0', dst_namespace: 'data' },
  },
  'elements of enterprises nobody knows, which are passed over': {
    fields: [
      { id: 1, length: 3, enterprise: 9999 },
      { id: 1, length: 4 },
    ],
    values: [Buffer.from([9, 9, 9]), uint32(77)],
    like: { bytes: 77 },
  },
  'a sampling interval in the record': {
    fields: [{ id: 34, length: 4 }],
    values: [uint32(512)],
    like: { weight: 512 },
  },
  'a protocol the schema has no word for': { fields: [{ id: 4, length: 1 }], values: [u8(253)], like: { protocol: '' } },
}

for (const [what, { fields, values, like }] of Object.entries(elements))
  test(`takes ${what}`, async t => {
    const rows = await rowsOf(fields, values)
    t.is(rows.length, 1)
    t.like(rows[0], {
      src_address: '10.0.0.1',
      dst_address: '10.0.0.2',
      reporter_kind: 'exporter',
      layer: 'exporter',
      received: received + 1000,
      ...like,
    })
  })

test('of both forms of an address, the one that is not zero counts', async t => {
  const both = [
    { id: 8, length: 4 },
    { id: 27, length: 16 },
    { id: 12, length: 4 },
    { id: 28, length: 16 },
  ]
  const v6 = Buffer.from('20010db8000000000000000000000001', 'hex')
  const opened = openDecoder()
  const old = Buffer.concat([ipv4('10.0.0.1'), Buffer.alloc(16), ipv4('10.0.0.2'), Buffer.alloc(16)])
  const young = Buffer.concat([Buffer.alloc(4), v6, Buffer.alloc(4), v6])
  await opened.take(ipfix([ipfixTemplate(256, both), set(256, Buffer.concat([old, young]))]))
  t.deepEqual(
    opened.rows().map(row => [row.src_address, row.dst_address, row.ip_version]),
    [
      ['10.0.0.1', '10.0.0.2', 4],
      ['2001:db8::1', '2001:db8::1', 6],
    ],
  )
})

test('a biflow is a row each way, with the ends swapped, and one row when nothing came back', async t => {
  const fields = [
    ...addresses,
    { id: 7, length: 2 },
    { id: 11, length: 2 },
    { id: 10, length: 4 },
    { id: 14, length: 4 },
    { id: 1, length: 8 },
    { id: 1, length: 8, enterprise: 29305 },
    { id: 6, length: 1 },
    { id: 6, length: 1, enterprise: 29305 },
  ]
  const record = (there: number, back: number) =>
    Buffer.concat([ends, uint16(40000), uint16(80), uint32(1), uint32(2), number(there, 8), number(back, 8), u8(2), u8(18)])
  const opened = openDecoder({}, 3)
  await opened.take(ipfix([ipfixTemplate(256, fields), set(256, Buffer.concat([record(100, 900), record(50, 0), record(1, 2)]))]))
  const found = opened
    .rows()
    .map(row => [row.src_address, row.src_port, row.dst_port, row.interface, row.bytes, row.tcp_flags, row.is_reply])
  t.deepEqual(found, [
    ['10.0.0.1', 40000, 80, '1', 100, 2, 'no'],
    ['10.0.0.2', 80, 40000, '2', 900, 18, 'yes'],
    ['10.0.0.1', 40000, 80, '1', 50, 2, 'unknown'],
    ['10.0.0.1', 40000, 80, '1', 1, 2, 'no'],
    ['10.0.0.2', 80, 40000, '2', 2, 18, 'yes'],
  ])
})

const templates = {
  ipfix: (id: number, fields: FieldSpec[]) => ipfix([ipfixTemplate(id, fields)]),
  netflow9: (id: number, fields: FieldSpec[]) => netflow9([netflowTemplate(id, fields)]),
}
const bytes4 = [...addresses, { id: 1, length: 4 }]
const data = (id: number, count: number) => set(id, Buffer.concat([ends, uint32(count)]))

test('templates belong to an exporter and an observation domain', async t => {
  const opened = openDecoder()
  await opened.take(templates.ipfix(256, bytes4))
  await opened.take(ipfix([data(256, 1)], { domain: 5 }))
  await opened.take(ipfix([data(256, 2)]), { address: '192.0.2.2' })
  await opened.take(netflow9([data(256, 3)]))
  await opened.take(ipfix([data(256, 4)]))
  t.deepEqual(
    opened.rows().map(row => row.bytes),
    [4],
  )
})

test('an exporter that sends from another port each time has its templates all the same, and two processes have their own', async t => {
  const opened = openDecoder()
  await opened.take(templates.ipfix(256, bytes4), { process: 1 })
  await opened.take(ipfix([data(256, 1)]), { process: 2 })
  await opened.take(templates.ipfix(256, [{ id: 1, length: 4 }, ...addresses]), { process: 3 })
  await opened.take(ipfix([set(256, Buffer.concat([uint32(3), ends]))]), { process: 3 })
  await opened.take(ipfix([data(256, 2)]), { process: 1 })
  t.deepEqual(
    opened.rows().map(row => row.bytes),
    [1, 3, 2],
  )
})

test('a template that is declared anew holds from then on, and one that is withdrawn no more', async t => {
  const opened = openDecoder()
  const other = [{ id: 1, length: 4 }, ...addresses]
  await opened.take(ipfix([ipfixTemplate(256, bytes4), data(256, 1)]))
  await opened.take(ipfix([ipfixTemplate(256, other), set(256, Buffer.concat([uint32(2), ends]))]))
  await opened.take(ipfix([ipfixTemplate(256, [])]))
  await opened.take(ipfix([data(256, 3)]))
  t.deepEqual(
    opened.rows().map(row => row.bytes),
    [1, 2],
  )
  await opened.sleep(3_600_000)
  t.is(opened.rows().length, 2)
  t.is(opened.discarded.no_template, 1)
})

test('a template nobody sent again for long is forgotten', async t => {
  const opened = openDecoder()
  await opened.take(ipfix([ipfixTemplate(256, bytes4), data(256, 1)]))
  await opened.sleep(2 * 86_400_000)
  await opened.take(ipfix([data(256, 2)]))
  t.is(opened.rows().length, 1)
})

test('data waits for its template, in order, for so long and in so many bytes', async t => {
  const opened = openDecoder({ hold: { maxBytes: 600, maxMs: 60_000 } })
  for (const count of [1, 2, 3]) await opened.take(netflow9([data(256, count)], { sequence: count }))
  await opened.take(netflow9([netflowTemplate(256, bytes4)], { sequence: 4 }))
  t.deepEqual(
    opened.rows().map(row => row.bytes),
    [2, 3],
  )
  t.deepEqual(opened.discarded, { no_template: 1 })
})

test('templates, fields and exporters are limited', async t => {
  const limits = { exporters: 2, templates: 2, fields: 3, allFields: 6, templateSeconds: 3600 }
  const opened = openDecoder({ limits })
  for (const id of [256, 257, 258]) await opened.take(templates.netflow9(id, bytes4))
  await opened.take(templates.ipfix(300, [...bytes4, { id: 2, length: 4 }]))
  opened.rows()
  t.deepEqual(opened.discarded, { over_limit: 2 })
  for (let last = 10; last < 20; last++) await opened.take(templates.ipfix(256, bytes4), { address: `192.0.2.${last}` })
  t.is(opened.decoder.exporters, 2)
  // Those that are forgotten make room: the last two have three fields each.
  await opened.take(ipfix([data(256, 1)]), { address: '192.0.2.19' })
  t.deepEqual(opened.discarded, { over_limit: 2 })
  t.is(opened.rows().length, 1)
})

const optionFields = {
  'NetFlow 9 by sampler': {
    options: netflow9([
      netflowOptionsTemplate(
        257,
        [{ id: 1, length: 4 }],
        [
          { id: 48, length: 1 },
          { id: 50, length: 4 },
        ],
      ),
      set(257, Buffer.concat([uint32(0), u8(3), uint32(1000)]), 3),
    ]),
    data: netflow9([netflowTemplate(256, [...bytes4, { id: 48, length: 1 }]), set(256, Buffer.concat([ends, uint32(1), u8(3)]))]),
    weight: 1000,
  },
  'NetFlow 9 of the whole exporter': {
    options: netflow9([
      netflowOptionsTemplate(257, [{ id: 1, length: 4 }], [{ id: 34, length: 4 }]),
      set(257, Buffer.concat([uint32(0), uint32(64)])),
    ]),
    data: netflow9([netflowTemplate(256, bytes4), data(256, 1)]),
    weight: 64,
  },
  'NetFlow 9 by interface': {
    options: netflow9([
      netflowOptionsTemplate(257, [{ id: 2, length: 4 }], [{ id: 34, length: 4 }]),
      set(257, Buffer.concat([uint32(9), uint32(20)])),
    ]),
    data: netflow9([netflowTemplate(256, [...bytes4, { id: 10, length: 4 }]), set(256, Buffer.concat([ends, uint32(1), uint32(9)]))]),
    weight: 20,
  },
  'IPFIX by packets taken and passed over': {
    options: ipfix([
      ipfixOptionsTemplate(
        257,
        [{ id: 302, length: 8 }],
        [
          { id: 304, length: 2 },
          { id: 305, length: 4 },
          { id: 306, length: 4 },
        ],
      ),
      set(257, Buffer.concat([number(5, 8), uint16(1), uint32(1), uint32(99)])),
    ]),
    data: ipfix([ipfixTemplate(256, [...bytes4, { id: 302, length: 8 }]), set(256, Buffer.concat([ends, uint32(1), number(5, 8)]))]),
    weight: 100,
  },
  'IPFIX by a part of a population': {
    options: ipfix([
      ipfixOptionsTemplate(
        257,
        [{ id: 149, length: 4 }],
        [
          { id: 309, length: 4 },
          { id: 310, length: 4 },
        ],
      ),
      set(257, Buffer.concat([uint32(0), uint32(2), uint32(500)])),
    ]),
    data: ipfix([ipfixTemplate(256, bytes4), data(256, 1)]),
    weight: 250,
  },
  'IPFIX by a probability': {
    options: ipfix([
      ipfixOptionsTemplate(257, [{ id: 149, length: 4 }], [{ id: 311, length: 8 }]),
      set(257, Buffer.concat([uint32(0), Buffer.from(new Float64Array([0.125]).buffer).reverse()])),
    ]),
    data: ipfix([ipfixTemplate(256, bytes4), data(256, 1)]),
    weight: 8,
  },
}

for (const [how, { options, data: flows, weight }] of Object.entries(optionFields))
  test(`takes the sampling rate from options of ${how}`, async t => {
    const opened = openDecoder()
    await opened.take(options)
    await opened.take(flows)
    t.deepEqual(
      opened.rows().map(row => row.weight),
      [weight],
    )
  })

test('of records that name a sampler, those that name none are not sampled', async t => {
  const opened = openDecoder()
  const { options } = optionFields['NetFlow 9 by sampler']
  await opened.take(options)
  const records = [3, 0].map(sampler => Buffer.concat([ends, uint32(1), u8(sampler)]))
  await opened.take(netflow9([netflowTemplate(256, [...bytes4, { id: 48, length: 1 }]), set(256, Buffer.concat(records))]))
  t.deepEqual(
    opened.rows().map(row => row.weight),
    [1000, 1],
  )
})

test('the sampling rate comes from the head of NetFlow 5, or from the configuration, and so does the name', async t => {
  const opened = openDecoder({ exporters: { '192.0.2.1': { name: 'edge', sampling_rate: 50 } } })
  const records = [{ src: '10.0.0.1', dst: '10.0.0.2', bytes: 10 }]
  await opened.take(netflow5(records))
  await opened.take(netflow5(records, { sequence: 1, sampling: 0x4000 | 100 }))
  t.deepEqual(
    opened.rows().map(row => [row.reporter, row.weight]),
    [
      ['edge', 50],
      ['edge', 100],
    ],
  )
})

test('of an exporter with several observation domains, the reporter says which', async t => {
  const opened = openDecoder()
  await opened.take(ipfix([ipfixTemplate(256, bytes4), data(256, 1)], { domain: 1 }))
  await opened.take(ipfix([ipfixTemplate(256, bytes4), data(256, 1)], { domain: 2 }))
  await opened.take(ipfix([data(256, 1)], { domain: 1, sequence: 1 }))
  t.deepEqual(
    opened.rows().map(row => row.reporter),
    ['192.0.2.1', '192.0.2.1/2', '192.0.2.1/1'],
  )
})

test('options name interfaces', async t => {
  const opened = openDecoder()
  const name = Buffer.concat([uint32(7), Buffer.from('eth7'.padEnd(16, '\0'))])
  await opened.take(ipfix([ipfixOptionsTemplate(257, [{ id: 10, length: 4 }], [{ id: 82, length: 16 }]), set(257, name)]))
  await opened.take(
    ipfix([ipfixTemplate(256, [...addresses, { id: 10, length: 4 }]), set(256, Buffer.concat([ends, uint32(7)]))], { sequence: 1 }),
  )
  t.is(opened.rows()[0].interface, 'eth7')
})

test('flows the exporter says it did not send are a loss', async t => {
  const opened = openDecoder()
  const template = ipfixOptionsTemplate(257, [{ id: 149, length: 4 }], [{ id: 166, length: 8 }])
  const total = (count: number) => set(257, Buffer.concat([uint32(0), number(count, 8)]))
  await opened.take(ipfix([template, total(100)]))
  await opened.take(ipfix([total(130)], { sequence: 1 }))
  t.deepEqual(
    opened.rows('loss').map(row => [row.reason, row.stage, row.count]),
    [['not_sent', 'agent', 30]],
  )
})

test('an exporter that began anew has lost nothing', async t => {
  const opened = openDecoder()
  const records = [{ src: '10.0.0.1', dst: '10.0.0.2' }]
  for (const [sequence, uptime] of [
    [1000, 900_000],
    [1001, 901_000],
    [0, 500],
    [1, 1500],
  ])
    await opened.take(netflow5(records, { sequence, uptime }))
  await opened.sleep(10_000)
  t.is(opened.rows().length, 4)
  t.deepEqual(opened.rows('loss'), [])
})

test('datagrams of NetFlow 9 that never came are a gap with nobody knows how many flows', async t => {
  const opened = openDecoder()
  const two = set(256, Buffer.concat([ends, uint32(1), ends, uint32(2)]))
  for (const sequence of [5, 6, 9]) await opened.take(netflow9([netflowTemplate(256, bytes4), two], { sequence }))
  await opened.sleep(10_000)
  t.like(opened.rows('loss')[0], { reason: 'sequence_gap', count: 2, known: false })
})

const ethernet = (type: string, payload: string) => Buffer.from(`020000000001020000000002${type}${payload}`, 'hex')
const tcp4 = '4500003c0001400040060000c0000201c63364019c4001bb00000001000000005012ffff00000000'
const host6 = (last: string) => `20010db8${last.padStart(24, '0')}`
/** Of 16 bytes behind the header of IPv6, the first eight are options hop by hop. */
const ipv6Udp = `6000000000100040${host6('1')}${host6('2')}1100000000000000003500350008ffff`
const packets: Record<string, { header: Buffer; protocol?: number; like: Record<string, unknown> }> = {
  'IPv4 and TCP': {
    header: ethernet('0800', tcp4),
    like: { protocol: 'tcp', src_address: '192.0.2.1', dst_address: '198.51.100.1', src_port: 40000, dst_port: 443, tcp_flags: 18 },
  },
  'stacked VLANs': { header: ethernet('88a80064810000c80800', tcp4), like: { vlan: 200, dst_port: 443 } },
  MPLS: { header: ethernet('8847000640ff000651ff', tcp4), like: { dst_port: 443 } },
  'bare IPv4': { header: Buffer.from(tcp4, 'hex'), protocol: 11, like: { dst_port: 443 } },
  'IPv6 with a header between': {
    header: ethernet('86dd', ipv6Udp),
    like: { protocol: 'udp', ip_version: 6, src_address: '2001:db8::1', dst_address: '2001:db8::2', src_port: 53 },
  },
  'a later fragment, which has no ports': {
    header: ethernet('0800', tcp4.replace('00014000', '000100b9')),
    like: { protocol: 'tcp', dst_port: 0 },
  },
  ICMP: {
    header: ethernet('0800', '4500001c00014000400100000a0000010a0000020301000000000000'),
    like: { protocol: 'icmpv4', icmp_type: 3, icmp_code: 1 },
  },
}

for (const [what, { header, protocol = 1, like }] of Object.entries(packets))
  test(`sFlow: reads a sampled header of ${what}`, async t => {
    const opened = openDecoder()
    const spec = { rate: 400, input: 3, output: 4 }
    await opened.take(
      sflow([
        flowSample([rawHeader(header, 1000, protocol)], spec),
        expandedSample([rawHeader(header, 1000, protocol)], { ...spec, sequence: 2 }),
      ]),
    )
    const rows = opened.rows()
    t.is(rows.length, 2)
    for (const row of rows)
      t.like(row, {
        source: 'sflow',
        reporter: '192.0.2.7',
        bytes: 1000,
        packets: 1,
        weight: 400,
        interface: '3',
        out_interface: '4',
        ...like,
      })
  })

test('sFlow: other records of a sample say VLAN, next hop, AS and that it was dropped', async t => {
  const opened = openDecoder()
  const records = [
    rawHeader(Buffer.from(tcp4, 'hex'), 60, 11),
    xdr(1001, Buffer.concat([uint32(12), uint32(0), uint32(13), uint32(0)])),
    xdr(1002, Buffer.concat([uint32(1), ipv4('10.9.9.9'), uint32(24), uint32(24)])),
    xdr(1003, Buffer.concat([uint32(1), ipv4('10.9.9.9'), ...[64500, 64501, 64502, 1, 2, 2, 64503, 64504].map(uint32)])),
  ]
  await opened.take(sflow([flowSample(records, { output: 0x40000000 + 258 })]))
  t.like(opened.rows()[0], {
    vlan: 12,
    next_hop: '10.9.9.9',
    src_as: 64501,
    dst_as: 64504,
    verdict: 'dropped',
    drop_reason: 'policy_denied',
    out_interface: '',
  })
})

test('sFlow: headers the agent has read are read too, counters and other packets are counted', async t => {
  const opened = openDecoder()
  const sampled = xdr(3, Buffer.concat([uint32(1500), uint32(17), ipv4('10.0.0.1'), ipv4('10.0.0.2'), ...[53, 5353, 0, 0xb8].map(uint32)]))
  const arp = rawHeader(ethernet('0806', '00'.repeat(28)), 60)
  await opened.take(sflow([flowSample([sampled]), flowSample([arp], { sequence: 2 }), xdr(2, Buffer.alloc(20))]))
  t.like(opened.rows()[0], { protocol: 'udp', bytes: 1500, src_port: 53, dst_port: 5353, dscp: 46 })
  t.deepEqual(opened.discarded, { unknown_kind: 2 })
})

test('sFlow: samples that never came are a loss with their number, and what the agent could not sample is another', async t => {
  const opened = openDecoder()
  const sample = (sequence: number, drops: number) => flowSample([rawHeader(Buffer.from(tcp4, 'hex'), 60, 11)], { sequence, drops })
  await opened.take(sflow([sample(1, 7)], { sequence: 1 }))
  await opened.take(sflow([sample(6, 19)], { sequence: 3 }))
  await opened.sleep(10_000)
  t.deepEqual(
    opened.rows('loss').map(row => [row.reason, row.stage, row.count, row.known]),
    [
      ['sampler_drops', 'agent', 12, true],
      ['sequence_gap', 'network', 1, false],
      ['sequence_gap', 'network', 4, true],
    ],
  )
})

// ── Anything that may come

const numbers: Record<string, { id: number; lengths: number[]; max?: bigint }> = {
  bytes: { id: 1, lengths: [1, 2, 3, 4, 5, 6, 7, 8], max: 2n ** 53n - 1n },
  packets: { id: 2, lengths: [1, 2, 4, 8], max: 2n ** 53n - 1n },
  src_port: { id: 7, lengths: [2] },
  dst_port: { id: 11, lengths: [2] },
  tcp_flags: { id: 6, lengths: [1, 2], max: 0x1ffn },
  vlan: { id: 58, lengths: [2] },
  src_as: { id: 16, lengths: [2, 4] },
  dst_as: { id: 17, lengths: [2, 4] },
  dropped_packets: { id: 133, lengths: [4, 8], max: 2n ** 53n - 1n },
}

interface Part {
  name?: string
  spec: FieldSpec
  /** One value a record. */
  values: { bytes: Buffer; value?: number }[]
}

const recordCount = 3

const numberPart = (name: string): fc.Arbitrary<Part> => {
  const { id, lengths, max = 2n ** 64n - 1n } = numbers[name]
  return fc.constantFrom(...lengths).chain(length => {
    const most = [2n ** BigInt(8 * length) - 1n, max].reduce((one, other) => (one < other ? one : other))
    return fc.array(fc.bigInt({ min: 0n, max: most }), { minLength: recordCount, maxLength: recordCount }).map(values => ({
      name,
      spec: { id, length },
      values: values.map(value => ({ bytes: number(value, length), value: Number(value) })),
    }))
  })
}

const payloads = (options: fc.IntArrayConstraints) =>
  fc.array(fc.uint8Array(options), { minLength: recordCount, maxLength: recordCount }).map(all => all.map(bytes => Buffer.from(bytes)))

/** Fields nobody knows, of fixed and of variable length. */
const otherPart: fc.Arbitrary<Part> = fc.oneof(
  fc.tuple(fc.nat({ max: 20 }), fc.integer({ min: 20_000, max: 32_000 }), fc.constantFrom(0, 12_345)).chain(([length, id, enterprise]) =>
    payloads({ minLength: length, maxLength: length }).map(all => ({
      spec: { id, length, enterprise },
      values: all.map(bytes => ({ bytes })),
    })),
  ),
  fc.tuple(fc.integer({ min: 20_000, max: 32_000 }), fc.boolean()).chain(([id, long]) =>
    payloads({ maxLength: 300 }).map(all => ({
      spec: { id, length: 65_535 },
      values: all.map(bytes => ({ bytes: variableLength(bytes, long || bytes.length > 254) })),
    })),
  ),
)

const parts = fc
  .tuple(
    fc.shuffledSubarray(Object.keys(numbers)).chain(names => fc.tuple(...names.map(numberPart))),
    fc.array(otherPart, { maxLength: 4 }),
  )
  .chain(([known, other]) => fc.shuffledSubarray([...known, ...other], { minLength: known.length + other.length }))

const fixedAddresses: Part[] = [
  { spec: { id: 8, length: 4 }, values: Array.from({ length: recordCount }, () => ({ bytes: ipv4('10.0.0.1') })) },
  { spec: { id: 12, length: 4 }, values: Array.from({ length: recordCount }, () => ({ bytes: ipv4('10.0.0.2') })) },
]

function messageOf(fields: readonly Part[], padding: number): Buffer {
  const records = Array.from({ length: recordCount }, (_, index) => Buffer.concat(fields.map(({ values }) => values[index].bytes)))
  return ipfix([
    ipfixTemplate(
      300,
      fields.map(({ spec }) => spec),
    ),
    set(300, Buffer.concat(records), padding),
  ])
}

test('whatever fields a template has, in whatever order and length, the rows hold what was written', async t => {
  await fc.assert(
    fc.asyncProperty(parts, fc.nat({ max: 3 }), async (some, padding) => {
      const fields = [...some, ...fixedAddresses]
      const opened = openDecoder({}, 2)
      await opened.take(messageOf(fields, padding))
      const expected = Array.from({ length: recordCount }, (_, index) =>
        Object.fromEntries(some.flatMap(({ name, values }) => (name ? [[name, values[index].value]] : []))),
      )
      const rows = opened.rows()
      t.is(rows.length, recordCount)
      rows.forEach((row, index) => t.like(row, { ...expected[index], src_address: '10.0.0.1', dst_address: '10.0.0.2' }))
      t.deepEqual(opened.deadLetters, [])
    }),
    { numRuns: 200 },
  )
})

const examples = fc.oneof(
  fc.tuple(parts, fc.nat({ max: 3 })).map(([some, padding]) => messageOf([...some, ...fixedAddresses], padding)),
  fc.constantFrom(
    ...Object.values(optionFields).flatMap(({ options, data: flows }) => [options, flows]),
    ...Object.values(packets).map(({ header, protocol = 1 }) => sflow([flowSample([rawHeader(header, 900, protocol)])])),
    netflow5([{ src: '10.0.0.1', dst: '10.0.0.2' }]),
  ),
)

test('broken and made-up datagrams are refused or read, never more rows than bytes, and hurt nobody else', async t => {
  const opened = openDecoder({ hold: { maxBytes: 10_000, maxMs: 60_000 } })
  let bytes = 0
  const attempt = async (datagram: Buffer) => {
    bytes += datagram.length
    await opened.take(datagram, { address: '192.0.2.66' })
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('', '0005', '0009', '000a', '00000005'), async (tail, version) =>
      attempt(Buffer.concat([Buffer.from(version, 'hex'), tail])),
    ),
    { numRuns: 2000 },
  )
  await fc.assert(
    fc.asyncProperty(
      examples,
      fc.nat(),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
      async (whole, cut, changes) => {
        const changed = Buffer.from(whole)
        for (const [at, byte] of changes) changed[at % changed.length] = byte
        await attempt(changed)
        await attempt(changed.subarray(0, cut % (changed.length + 1)))
      },
    ),
    { numRuns: 1500 },
  )
  t.true(opened.rows().length < bytes)
  t.true((opened.discarded.undecodable ?? 0) > 1000)
  await opened.take(ipfix([ipfixTemplate(256, bytes4), data(256, 4711)]), { address: '192.0.2.5' })
  t.like(opened.rows().at(-1), { reporter: '192.0.2.5', bytes: 4711 })
  await opened.sleep(3_600_000)
})

test('the worst a datagram can hold is read in a moment', async t => {
  const many = Array.from({ length: 255 }, (_, index) => ({ id: 20_000 + index, length: index ? 0 : 1 }))
  const full = (id: number) => set(id, Buffer.alloc(60_000))
  const worst = {
    'options of one byte': [ipfix([ipfixOptionsTemplate(256, many.slice(0, 1), many.slice(1))]), ipfix([full(256)])],
    'options of variable length': [
      ipfix([ipfixOptionsTemplate(257, [{ id: 1, length: 65_535 }], many.slice(1))]),
      ipfix([full(257)], { sequence: 60_000 }),
    ],
    'thousands of templates': [
      ipfix([
        set(
          2,
          Buffer.concat(Array.from({ length: 5000 }, (_, index) => Buffer.concat([uint16(300 + index), uint16(1), uint16(8), uint16(4)]))),
        ),
      ]),
    ],
    'thousands of sets': [ipfix(Array.from({ length: 12_000 }, () => set(9999, Buffer.alloc(1))))],
    'samples of nothing': [sflow(Array.from({ length: 7000 }, () => xdr(1, Buffer.alloc(0))))],
  }
  for (const [what, datagrams] of Object.entries(worst)) {
    const opened = openDecoder()
    const start = performance.now()
    for (const datagram of datagrams) await opened.take(datagram)
    const took = performance.now() - start
    t.true(took < 10_000, `${what}: ${took} ms`)
    t.log(`${what}: ${took.toFixed(0)} ms`)
  }
})
