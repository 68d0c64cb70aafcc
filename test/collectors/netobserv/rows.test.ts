import test from 'ava'
import { type Plain, acl, arrived, began, ip, record, time } from './records.ts'
import { rows } from './rows.ts'

const forwarded = { event: 'trace', verdict: 'forwarded' }
const v6 = { src_addr: ip('fd00::7'), dst_addr: ip('fd00::9') }
const flows: Record<string, [plain: Plain, rows: Plain[]]> = {
  'a record is one row, however many interfaces its packets went through': [
    record(),
    [
      {
        ...forwarded,
        time: (began + 4500) * 1000,
        duration: 4500e6,
        source: 'netobserv',
        reporter: '192.168.0.1',
        reporter_kind: 'node',
        cluster: 'home',
        layer: 'kernel',
        type: 'l3_l4',
        direction: 'egress',
        protocol: 'tcp',
        ip_version: 4,
        src_address: '10.128.0.7',
        src_port: 40000,
        dst_address: '10.129.0.9',
        dst_port: 8080,
        bytes: 1500,
        packets: 10,
        tcp_flags: 18,
        dscp: 8,
        interface: 'veth7,genev_sys_6081',
        weight: 1,
        is_reply: 'no',
        connections: 1,
      },
    ],
  ],
  'the node the packets came to is at the destination': [arrived(), [{ direction: 'ingress', reporter: '192.168.0.2' }]],
  'an agent that has the address of an end is at that end': [
    record({ agent_ip: ip('10.129.0.9') }),
    [{ direction: 'ingress', reporter: '10.129.0.9' }],
  ],
  'where no interface leads to another node the end is not known': [
    record({
      dup_list: [
        { interface: 'veth7', direction: 'INGRESS' },
        { interface: 'veth9', direction: 'EGRESS' },
      ],
    }),
    [{ direction: 'unknown' }],
  ],
  'an old agent tells one interface': [
    record({ dup_list: [], interface: 'eth0', direction: 'EGRESS' }),
    [{ direction: 'egress', interface: 'eth0' }],
  ],
  IPv6: [record({ eth_protocol: 0x86dd, network: v6 }), [{ src_address: 'fd00::7', dst_address: 'fd00::9', ip_version: 6 }]],
  'a SYN and ACK in one packet is an answer, and begins nothing': [
    record({ flags: 256 + 16 }),
    [{ tcp_flags: 18, is_reply: 'yes', connections: 0 }],
  ],
  'flags of two in one packet are those of headers': [record({ flags: 512 + 1024 }), [{ tcp_flags: 21, is_reply: 'unknown' }]],
  'a sample stands for more': [record({ sampling: 50 }), [{ weight: 50, bytes: 1500 }]],
  'not sampled, however it is said': [record({ sampling: 1 }), [{ weight: 1 }]],
  'round trip, TLS and IPsec': [
    record({ time_flow_rtt: time(4.047), ssl_version: 0x304, ipsec_encrypted: 1 }),
    [{ round_trip: 4_047_000, tls_version: 'TLSv1.3', encrypted: true }],
  ],
  'IPsec that failed encrypted nothing': [record({ ipsec_encrypted: 1, ipsec_encrypted_ret: -5 }), [{ encrypted: false }]],
  ICMP: [
    record({ transport: { protocol: 1 }, icmp_type: 3, icmp_code: 4, flags: 0 }),
    [{ protocol: 'icmpv4', icmp_type: 3, icmp_code: 4 }],
  ],
  'packets the kernel dropped are a row of their own, and counted in the first only': [
    record({ pkt_drop_bytes: 32, pkt_drop_packets: 2, pkt_drop_latest_drop_cause: 28 }),
    [
      { ...forwarded, bytes: 1500, packets: 10, dropped_bytes: 32, dropped_packets: 2, drop_reason: '' },
      {
        event: 'drop',
        verdict: 'dropped',
        drop_reason: 'SKB_DROP_REASON_TCP_INVALID_SEQUENCE',
        bytes: 0,
        packets: 0,
        dropped_bytes: 32,
        dropped_packets: 2,
        connections: 0,
      },
    ],
  ],
  'where all was dropped there is nothing forwarded': [
    record({ bytes: 0, packets: 0, pkt_drop_bytes: 32, pkt_drop_packets: 1, pkt_drop_latest_drop_cause: (3 << 16) + 3 }),
    [{ event: 'drop', drop_reason: 'OVS_DROP_EXPLICIT' }],
  ],
  'a cause of a newer kernel has its number': [
    record({ bytes: 0, packets: 0, pkt_drop_packets: 1, pkt_drop_latest_drop_cause: 4711 }),
    [{ drop_reason: 'cause 4711' }],
  ],
  'the policy of OVN-Kubernetes that allowed': [
    record({ network_events_metadata: [acl('allow-related')] }),
    [
      {
        ...forwarded,
        policy_kind: 'NetworkPolicy',
        policy_namespace: 'shop',
        policy_name: 'only-checkout',
        policy_source: 'dataplane',
        allowed_by: 'NetworkPolicy/shop/only-checkout',
        denied_by: '',
      },
    ],
  ],
  'the policy of OVN-Kubernetes that denied, and what was counted of it, are one row': [
    record({
      network_events_metadata: [acl('drop', { Type: 'AdminNetworkPolicy', Namespace: '', Name: 'lock' })],
      pkt_drop_packets: 10,
      pkt_drop_bytes: 1500,
      pkt_drop_latest_drop_cause: (1 << 24) + 2,
    }),
    [
      {
        event: 'policy_verdict',
        verdict: 'dropped',
        drop_reason: 'policy_denied',
        policy_kind: 'AdminNetworkPolicy',
        policy_name: 'lock',
        denied_by: 'AdminNetworkPolicy//lock',
        bytes: 1500,
        dropped_bytes: 1500,
        connections: 0,
      },
    ],
  ],
  'allowed before and denied after are two rows': [
    record({ network_events_metadata: [acl('allow'), acl('drop', { Name: 'lock' })] }),
    [
      { ...forwarded, bytes: 1500, policy_name: '', allowed_by: 'NetworkPolicy/shop/only-checkout', denied_by: 'NetworkPolicy/shop/lock' },
      { event: 'policy_verdict', verdict: 'dropped', bytes: 0, policy_name: 'lock' },
    ],
  ],
  'packets on their way to a service are not counted': [
    record({
      xlat: { src_addr: ip('10.128.0.7'), dst_addr: ip('10.129.0.9') },
      network: { src_addr: ip('10.128.0.7'), dst_addr: ip('172.30.0.10') },
    }),
    [{ event: 'trace_sock', verdict: 'translated', dst_address: '172.30.0.10', bytes: 1500 }],
  ],
  'a source that got another address': [
    record({ xlat: { src_addr: ip('192.168.0.1'), dst_addr: ip('10.129.0.9') } }),
    [{ ...forwarded, src_address: '10.128.0.7', src_address_translated: '192.168.0.1' }],
  ],
  'a translation that says nothing': [
    record({ xlat: { src_addr: ip('0.0.0.0'), dst_addr: ip('0.0.0.0') } }),
    [{ ...forwarded, src_address_translated: '' }],
  ],
}
for (const [promise, [plain, expected]] of Object.entries(flows))
  test(promise, async t => {
    const { flow } = await rows(plain)
    t.is(flow.length, expected.length)
    expected.forEach((row, i) => t.like(flow[i], row))
  })

const answer = {
  network: { src_addr: ip('10.128.0.53'), dst_addr: ip('10.129.0.9') },
  transport: { src_port: 53, dst_port: 40001, protocol: 17 },
  flags: 0,
  dns_id: 7,
  dns_flags: 0x8180,
  dns_latency: time(1.5),
  dns_name: 'cart.shop.svc.cluster.local',
}
const asked = { src_address: '10.129.0.9', src_port: 40001, dst_address: '10.128.0.53', dst_port: 53 }
const requests: Record<string, [plain: Plain, request: Plain]> = {
  'an answer of DNS is an exchange of who asked': [
    arrived(answer),
    {
      ...asked,
      protocol: 'dns',
      phase: 'exchange',
      transport: 'udp',
      latency: 1_500_000,
      dns_query: 'cart.shop.svc.cluster.local',
      status_code: 0,
      error: false,
      direction: 'egress',
      layer: 'kernel',
      reporter: '192.168.0.2',
    },
  ],
  'at the server it is the other side': [record(answer), { ...asked, direction: 'ingress' }],
  'a name that there is not is no error of the server': [record({ ...answer, dns_flags: 0x8183 }), { status_code: 3, error: false }],
  'a server that failed': [record({ ...answer, dns_flags: 0x8182 }), { status_code: 2, error: true }],
  'a question alone': [
    record({
      ...answer,
      transport: { src_port: 40001, dst_port: 53, protocol: 17 },
      dns_flags: 0x0100,
      dns_latency: undefined,
      dns_errno: 4,
    }),
    { phase: 'request', src_port: 40001, dst_port: 53, status_code: 0, error: false, attributes: { 'dns.errno': '4' } },
  ],
}
for (const [promise, [plain, expected]] of Object.entries(requests))
  test(promise, async t => {
    const { flow, request } = await rows(plain)
    t.is(flow.length, 1)
    t.is(request.length, 1)
    t.like(request[0], expected)
  })

test('what is no IP, and what an old agent tells a second time, is counted and left out', async t => {
  t.deepEqual(await rows(record({ eth_protocol: 0x0806 })), { flow: [], request: [], discarded: ['unknown_kind'] })
  t.deepEqual(await rows(record({ network: {} })), { flow: [], request: [], discarded: ['unknown_kind'] })
  t.deepEqual(await rows(record({ duplicate: true })), { flow: [], request: [], discarded: ['repeated'] })
})

test('an agent that does not know its own address reports all the same', async t => {
  const { flow } = await rows(record({ agent_ip: { ipv6: Buffer.alloc(0) } }))
  t.like(flow[0], { reporter: '', bytes: 1500 })
})
