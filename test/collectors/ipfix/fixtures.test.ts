import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import { Packet } from '../../../collectors/ipfix/packet.ts'
import { type Row, openDecoder } from './decoding.ts'

const shared = '../shared/fixtures/flow-export'

interface Case {
  files: string[]
  rows: number
  /** Fields of the row of this index; -1 is the last. */
  like?: Record<number, Row>
  discarded?: Record<string, number>
}

const netflow = (name: string) => `logstash-codec-netflow/${name}.dat`
const sflow = (name: string) => `logstash-codec-sflow/${name}.dat`
const tcp = { protocol: 'tcp', ip_version: 4 }
const udp = { protocol: 'udp', ip_version: 4 }

/** What logstash's decoder finds in these datagrams; a biflow is two rows here, and options and Ethernet frames are none. */
const cases: Record<string, Case> = {
  'NetFlow 5': {
    files: [netflow('netflow5')],
    rows: 2,
    like: {
      0: {
        ...tcp,
        source: 'netflow',
        src_address: '10.0.2.2',
        dst_address: '10.0.2.15',
        src_port: 54435,
        dst_port: 22,
        tcp_flags: 16,
        bytes: 230,
        packets: 5,
        time: Date.parse('2015-05-02T18:38:07.476Z') * 1000 + 328,
      },
      1: { ...tcp, src_address: '10.0.2.15', dst_address: '10.0.2.2', src_port: 22, dst_port: 54435, tcp_flags: 24 },
    },
  },
  'NetFlow 5 of Mikrotik': {
    files: [netflow('netflow5_test_microtik')],
    rows: 30,
    like: { [-1]: { src_address: '10.0.8.1', dst_address: '192.168.0.1', dst_port: 51826, dscp: 10 } },
  },
  'NetFlow 5 of Juniper MX80': {
    files: [netflow('netflow5_test_juniper_mx80')],
    rows: 29,
    like: { [-1]: { src_address: '66.249.92.75', dst_address: '192.168.0.1', dst_port: 80, src_as: 15169, dst_as: 64496 } },
  },
  'NetFlow 9 of softflowd': {
    files: [netflow('netflow9_test_valid01')],
    rows: 7,
    like: {
      0: { ...udp, src_address: '172.16.32.100', dst_address: '172.16.32.248', src_port: 123, dst_port: 123, bytes: 76, packets: 1 },
      6: { protocol: 'icmpv6', ip_version: 6, src_address: 'fe80::20c:29ff:fe83:3b6e', dst_address: 'ff02::1', icmp_type: 134, packets: 7 },
    },
  },
  'NetFlow 9 of Cisco ACI': {
    files: [netflow('netflow9_test_cisco_aci_tpl256-258'), netflow('netflow9_test_cisco_aci_data256')],
    rows: 3,
    like: { 0: { src_address: '10.154.231.145' } },
  },
  'NetFlow 9 of Cisco ASA': {
    files: [netflow('netflow9_test_cisco_asa_1_tpl'), netflow('netflow9_test_cisco_asa_1_data')],
    rows: 14,
    like: {
      0: {
        protocol: 'icmpv4',
        src_address: '192.168.14.1',
        dst_address: '2.2.2.11',
        icmp_type: 0,
        icmp_code: 0,
        interface: '3',
        bytes: 56,
      },
    },
  },
  'NetFlow 9 of Cisco ASA, with bytes of the responder': {
    files: [
      netflow('netflow9_test_cisco_asa_2_tpl_26x'),
      netflow('netflow9_test_cisco_asa_2_tpl_27x'),
      netflow('netflow9_test_cisco_asa_2_data'),
    ],
    rows: 34,
    like: {
      [-2]: { is_reply: 'no', src_address: '192.168.0.1', dst_address: '192.168.0.18', bytes: 69 },
      [-1]: { is_reply: 'yes', src_address: '192.168.0.18', dst_address: '192.168.0.1', bytes: 14178 },
    },
  },
  'NetFlow 9 of Cisco ASR 9000, with names of interfaces': {
    files: ['opttpl256', 'data256', 'tpl260', 'data260'].map(part => netflow(`netflow9_test_cisco_asr9k_${part}`)),
    rows: 21,
    like: { 0: { ...tcp, src_address: '10.0.9.146', interface: 'TenGigE0_6_1_0', next_hop: '10.0.14.33', direction: 'egress' } },
  },
  'NetFlow 9 of H3C': { files: [netflow('netflow9_test_h3c_tpl3281'), netflow('netflow9_test_h3c_data3281')], rows: 16 },
  'NetFlow 9 of H3C with a text of variable length': {
    files: [netflow('netflow9_test_h3c_netstream_varstring_tpl3281'), netflow('netflow9_test_h3c_netstream_varstring_data3281')],
    rows: 1,
    like: { 0: { src_port: 137 } },
  },
  'NetFlow 9 of Palo Alto in a datagram filled up with zeros': {
    files: [
      netflow('netflow9_test_paloalto_81_tpl256-263'),
      netflow('netflow9_test_paloalto_81_data257_1flowset_in_large_zerofilled_packet'),
    ],
    rows: 1,
    like: { 0: { src_address: '134.220.2.6' } },
  },
  'NetFlow 9 of Fortigate': {
    files: [
      netflow('netflow9_test_fortigate_fortios_542_appid_tpl258-269'),
      netflow('netflow9_test_fortigate_fortios_542_appid_data258_262'),
    ],
    rows: 17,
  },
  'NetFlow 9 of Ubiquiti': {
    files: ['tpl', 'data1024', 'data1025'].map(part => netflow(`netflow9_test_ubnt_edgerouter_${part}`)),
    rows: 16,
    like: { 0: { src_address: '10.1.0.135' }, [-1]: { src_address: '192.168.1.102' } },
  },
  'NetFlow 9 of Streamcore': { files: ['256', '260'].map(part => netflow(`netflow9_test_streamcore_tpl_data${part}`)), rows: 4 },
  'NetFlow 9 of nProbe': { files: [netflow('netflow9_test_nprobe_dpi')], rows: 1, like: { 0: { bytes: 82 } } },
  'NetFlow 9 of Huawei': {
    files: [netflow('netflow9_test_huawei_netstream_tpl'), netflow('netflow9_test_huawei_netstream_data')],
    rows: 1,
  },
  'NetFlow 9 with fields of no bytes': {
    files: [netflow('netflow9_test_0length_fields_tpl_data')],
    rows: 10,
    like: { [-1]: { src_address: '192.168.1.33' } },
  },
  'NetFlow 9 with numbers of reduced size, and sets without templates': {
    files: [netflow('netflow9_test_iptnetflow_reduced_size_encoding_tpldata260')],
    rows: 12,
    like: { 11: { src_address: '2.17.140.47', dst_address: '10.233.150.21', bytes: 187, packets: 3, next_hop: '10.232.5.1' } },
    discarded: { no_template: 6 },
  },
  'NetFlow 9 with times in seconds': {
    files: [netflow('netflow9_test_unknown_tpl266_292_data')],
    rows: 2,
    like: { 1: { time: 1_512_147_869_000_000, src_address: '192.168.0.4', dst_port: 6343 } },
  },
  'NetFlow 9 of wireless frames without addresses': {
    files: [netflow('netflow9_test_cisco_wlc_tpl'), netflow('netflow9_test_cisco_wlc_data261')],
    rows: 0,
    discarded: { unknown_kind: 19 },
  },
  'options of Juniper SRX with a scope of no bytes': { files: [netflow('netflow9_test_juniper_srx_tplopt')], rows: 0 },
  IPFIX: {
    files: [netflow('ipfix')],
    rows: 6,
    like: {
      0: {
        ...tcp,
        source: 'ipfix',
        src_address: '192.168.253.1',
        src_port: 60560,
        dst_address: '192.168.253.128',
        dst_port: 22,
        tcp_flags: 16,
      },
      2: { ...udp, src_address: '192.168.253.2', src_port: 53, dst_port: 35262 },
      5: { ...tcp, src_address: '192.168.253.132', dst_address: '54.214.9.161', dst_port: 443, tcp_flags: 26, bytes: 2608, packets: 13 },
    },
  },
  'IPFIX of OpenBSD': {
    files: [netflow('ipfix_test_openbsd_pflow_tpl'), netflow('ipfix_test_openbsd_pflow_data')],
    rows: 26,
    like: { [-1]: { src_address: '192.168.0.1', dst_address: '192.168.0.17', bytes: 6425, dst_port: 64026, duration: 2_000_000_000 } },
  },
  'IPFIX of Mikrotik, with translated addresses and IPv6': {
    files: ['tpl', 'data258', 'data259'].map(part => netflow(`ipfix_test_mikrotik_${part}`)),
    rows: 46,
    like: {
      0: {
        src_address: '10.10.8.197',
        src_address_translated: '192.168.230.216',
        dst_address: '192.168.128.17',
        next_hop: '192.168.224.1',
      },
      [-1]: { ip_version: 6, next_hop: 'ff02::1', src_address_translated: '' },
    },
  },
  'IPFIX of Netscaler with fields of variable length': {
    files: [netflow('ipfix_test_netscaler_tpl'), netflow('ipfix_test_netscaler_data')],
    rows: 3,
    like: { 0: { src_address: '192.168.0.1', dst_address: '10.0.0.1', time: Date.parse('2016-11-11T12:09:19Z') * 1000 + 127 } },
    discarded: { no_template: 1 },
  },
  'IPFIX of VMware': {
    files: ['tpl', 'data264', 'data266', 'data266_267'].map(part => netflow(`ipfix_test_vmware_vds_${part}`)),
    rows: 5,
    like: { 4: { src_address: 'fe80::5187:5cd8:d750:cdc9', dst_address: 'ff02::1:3', bytes: 144, dst_port: 5355, ip_version: 6 } },
  },
  'IPFIX of YAF, both ways': {
    files: ['tpls_option_tpl', 'tpl45841', 'data45841', 'data45873', 'data53248'].map(part => netflow(`ipfix_test_yaf_${part}`)),
    rows: 4,
    like: {
      0: { ...udp, is_reply: 'no', src_address: '172.16.32.201', dst_address: '172.16.32.100', dst_port: 53, bytes: 132, packets: 2 },
      1: { ...udp, is_reply: 'yes', src_address: '172.16.32.100', src_port: 53, dst_address: '172.16.32.201' },
    },
  },
  'IPFIX of Procera': {
    files: [netflow('ipfix_test_procera_tpl52935'), netflow('ipfix_test_procera_data52935')],
    rows: 8,
    like: { [-1]: { src_address: '138.44.161.14' } },
  },
  'IPFIX of Barracuda': {
    files: [netflow('ipfix_test_barracuda_extended_uniflow_tpl256'), netflow('ipfix_test_barracuda_extended_uniflow_data256')],
    rows: 2,
  },
  'IPFIX of a Nokia BRAS': { files: [netflow('ipfix_test_nokia_bras_tpl'), netflow('ipfix_test_nokia_bras_data256')], rows: 1 },
  'IPFIX of Viptela': { files: [netflow('ipfix_test_viptela_tpl257'), netflow('ipfix_test_viptela_data257')], rows: 1 },
  'NetFlow 5 with a count that is too large': { files: [netflow('netflow5_test_invalid01')], rows: 0, discarded: { undecodable: 1 } },
  'NetFlow 5 with another one': { files: [netflow('netflow5_test_invalid02')], rows: 0, discarded: { undecodable: 1 } },
  'sFlow of a packet': {
    files: [sflow('sflow_flow_sample')],
    rows: 1,
    like: {
      0: { ...tcp, source: 'sflow', src_address: '10.243.27.17', src_port: 5672, bytes: 490, packets: 1, weight: 2048, tcp_flags: 24 },
    },
  },
  'sFlow of a packet in a VLAN': {
    files: [sflow('sflow_flow_sample_eth_vlan')],
    rows: 1,
    like: { 0: { src_address: '10.243.2.11', dst_port: 443, vlan: 2422, weight: 2000, interface: '53', out_interface: '52' } },
  },
  'sFlow with packets and counters': { files: [sflow('sflow_with_lag_counters')], rows: 5, discarded: { unknown_kind: 2 } },
  'sFlow with counters alone': { files: [sflow('sflow_counters_sample')], rows: 0, discarded: { unknown_kind: 12 } },
}

const read = (file: string) => readFile(path.join(shared, file)).catch(() => undefined)

for (const [what, { files, rows: count, like = {}, discarded = {} }] of Object.entries(cases))
  test(`reads ${what}`, async t => {
    const opened = openDecoder()
    for (const file of files) {
      const bytes = await read(file)
      if (!bytes) {
        t.log(`skipped: ${shared}/${file} is not there`)
        return t.pass()
      }
      await opened.take(bytes)
    }
    const rows = opened.rows()
    await opened.sleep(3_600_000)
    t.is(rows.length, count)
    for (const [index, fields] of Object.entries(like)) t.like(rows.at(Number(index)), fields)
    t.deepEqual(opened.discarded, discarded)
  })

const filesOf = (folder: string) => readdir(path.join(shared, folder)).catch(() => [])

test('every datagram that was recorded is read, but those that are invalid', async t => {
  const names = (await filesOf('logstash-codec-netflow')).map(name => `logstash-codec-netflow/${name}`)
  const sampled = (await filesOf('logstash-codec-sflow')).filter(name => name.startsWith('sflow_'))
  if (!names.length) {
    t.log(`skipped: ${shared} is not there`)
    return t.pass()
  }
  const refused: string[] = []
  for (const name of [...names, ...sampled.map(each => `logstash-codec-sflow/${each}`)]) {
    const opened = openDecoder()
    await opened.take(await readFile(path.join(shared, name)))
    if (opened.deadLetters.length) refused.push(name)
  }
  t.true(names.length > 80)
  t.deepEqual(refused, [netflow('netflow5_test_invalid01'), netflow('netflow5_test_invalid02')])
})

const headers: Record<string, { protocol: number; src: string; like: Partial<Packet> }> = {
  ethernet_ipv4_udp_header: { protocol: 1, src: '10.243.13.18', like: { version: 4, protocol: 17, srcPort: 20665, dstPort: 514 } },
  ethernet_vlan_ipv4_tcp_header: {
    protocol: 1,
    src: '10.243.2.11',
    like: { vlan: 2422, protocol: 6, srcPort: 63150, dstPort: 443, tcpFlags: 16 },
  },
  ipv4_tcp_header: { protocol: 11, src: '10.243.27.17', like: { protocol: 6, srcPort: 5672, dstPort: 59451, tcpFlags: 24 } },
}

for (const [name, { protocol, src, like }] of Object.entries(headers))
  test(`reads the packet of ${name}, and no more than there is when it is cut anywhere`, async t => {
    const bytes = await read(sflow(name))
    if (!bytes) {
      t.log(`skipped: ${shared}/${sflow(name)} is not there`)
      return t.pass()
    }
    const packet = new Packet()
    t.true(packet.read(protocol, bytes, 0, bytes.length))
    t.like(packet, like)
    t.is(bytes.subarray(packet.srcAt, packet.srcAt + 4).join('.'), src)
    for (let end = 0; end < bytes.length; end++) if (packet.read(protocol, bytes, 0, end)) t.true(packet.dstAt + 4 <= end)
  })

const own = new URL('../../fixtures/flow-export/', import.meta.url)

/** See README.md beside the recordings. Flows, packets and bytes are those of the capture they were made of. */
const recordings: Record<string, { rows: number; packets: number; bytes: number; weight?: number; loss?: number }> = {
  // IPv6 does not fit into version 5.
  'softflowd-v5': { rows: 12, packets: 56, bytes: 16_050 },
  'softflowd-v9': { rows: 16, packets: 76, bytes: 24_040 },
  'softflowd-v10': { rows: 16, packets: 76, bytes: 24_040 },
  'softflowd-v10-biflow': { rows: 16, packets: 76, bytes: 24_040 },
  'softflowd-v5-many': { rows: 120, packets: 240, bytes: 38_280 },
  'softflowd-v9-many': { rows: 120, packets: 240, bytes: 38_280 },
  'softflowd-v10-many': { rows: 120, packets: 240, bytes: 38_280 },
  'softflowd-v9-sampled': { rows: 12, packets: 24, bytes: 3720, weight: 10 },
  'pmacct-v9': { rows: 16, packets: 76, bytes: 24_040 },
  'pmacct-v10': { rows: 16, packets: 76, bytes: 24_040 },
  'pmacct-sflow': { rows: 30, packets: 30, bytes: 14_771, weight: 2 },
}

async function recording(name: string): Promise<Buffer[]> {
  const lines = (await readFile(new URL(`${name}.hex`, own), 'utf8')).trim().split('\n')
  return lines.map(line => Buffer.from(line, 'hex'))
}

const sum = (rows: readonly Row[], field: string) => rows.reduce((total, row) => total + Number(row[field]), 0)

for (const [name, { rows: count, packets, bytes, weight = 1 }] of Object.entries(recordings))
  test(`finds every flow, packet and byte in the recording ${name}, and no loss`, async t => {
    const opened = openDecoder()
    for (const datagram of await recording(name)) await opened.take(datagram)
    const rows = opened.rows()
    await opened.sleep(3_600_000)
    t.deepEqual([rows.length, sum(rows, 'packets'), sum(rows, 'bytes')], [count, packets, bytes])
    t.true(rows.every(row => row.weight === weight))
    t.deepEqual(opened.discarded, {})
    t.deepEqual(opened.rows('loss'), [])
  })

test('flows of softflowd are the same in all versions of the protocol', async t => {
  const flowsOf = async (name: string) => {
    const opened = openDecoder()
    for (const datagram of await recording(name)) await opened.take(datagram)
    const fields = ['protocol', 'src_address', 'src_port', 'dst_address', 'dst_port', 'icmp_type', 'tcp_flags', 'packets', 'bytes']
    return opened
      .rows()
      .map(row => fields.map(field => row[field]).join(' '))
      .toSorted()
  }
  t.deepEqual(await flowsOf('softflowd-v10'), await flowsOf('softflowd-v9'))
  t.deepEqual(await flowsOf('pmacct-v9'), await flowsOf('softflowd-v9'))
  t.deepEqual(await flowsOf('pmacct-v10'), await flowsOf('pmacct-v9'))
})

for (const name of ['softflowd-v5-many', 'softflowd-v10-many'])
  test(`of the recording ${name} without a datagram, its flows are a loss with their number`, async t => {
    const opened = openDecoder()
    const datagrams = await recording(name)
    for (const datagram of datagrams.toSpliced(2, 1)) await opened.take(datagram)
    const missing = 120 - opened.rows().length
    await opened.sleep(5000)
    t.true(missing > 10)
    t.like(opened.rows('loss')[0], { reason: 'sequence_gap', stage: 'network', count: missing, known: true })
    t.is(opened.rows('loss').length, 1)
  })
