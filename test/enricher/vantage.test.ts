import test from 'ava'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { vantage } from '../../enricher/steps/vantage.ts'
import { Draft } from '../../enricher/step.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { deliveredOf } from '../helpers/blocks.ts'

const base = { cluster: 'east', source: 'kubernetes', valid_from: 0, valid_to: openEnd }
const node = (name: string, address: string): ObjectVersion => ({ ...base, kind: 'node', name, uid: name, addresses: [address] })
const pod = (name: string, address: string, node: string): ObjectVersion => ({
  ...base,
  kind: 'pod',
  namespace: 'shop',
  name,
  uid: name,
  addresses: [address],
  node,
  workload: name,
})

const objects = new ObjectTable()
for (const version of [
  node('node-1', '192.168.0.1'),
  node('node-2', '192.168.0.2'),
  { ...pod('agent', '192.168.0.1', 'node-1'), host_network: true },
  pod('web', '10.0.1.1', 'node-1'),
  pod('cart', '10.0.2.1', 'node-2'),
  pod('cache', '10.0.2.2', 'node-2'),
])
  objects.add(version)

const told = {
  cluster: 'east',
  source: 'netobserv',
  time: 1000,
  src_address: '10.0.1.1',
  dst_address: '10.0.2.1',
  src_port: 40_000,
  dst_port: 80,
}
const answer = { ...told, src_address: '10.0.2.1', dst_address: '10.0.1.1', src_port: 80, dst_port: 40_000, is_reply: 'yes' }

const cases: Record<string, [record: object, direction: string, kind?: KindName]> = {
  'the node of the source': [{ ...told, reporter: '192.168.0.1' }, 'egress'],
  'the node of the destination': [{ ...told, reporter: '192.168.0.2' }, 'ingress'],
  'the node of both': [{ ...told, src_address: '10.0.2.2', reporter: '192.168.0.2' }, 'ingress'],
  'a node of neither': [{ ...told, dst_address: '203.0.113.1', reporter: '192.168.0.2' }, 'unknown'],
  'a node that nobody knows': [{ ...told, reporter: '192.168.0.99' }, 'unknown'],
  'a reporter with a name': [{ ...told, reporter: 'node-1' }, 'unknown'],
  'what the collector found out stays': [{ ...told, reporter: '192.168.0.1', direction: 'ingress' }, 'ingress'],
  'an answer, where it comes from': [{ ...answer, reporter: '192.168.0.2' }, 'ingress'],
  'an answer, where it arrives': [{ ...answer, reporter: '192.168.0.1' }, 'egress'],
  'an answer whose end the collector found out': [{ ...answer, reporter: '192.168.0.2', direction: 'egress' }, 'ingress'],
  'a request at the client': [{ ...told, reporter: '192.168.0.1' }, 'egress', 'request'],
  'a request at the server': [{ ...told, reporter: '192.168.0.2' }, 'ingress', 'request'],
  'what another source did not know': [{ ...told, source: 'ipfix', reporter: '192.168.0.1' }, 'unknown'],
  'what another source said of an answer': [{ ...answer, source: 'hubble', reporter: 'node-1', direction: 'egress' }, 'egress'],
}

for (const [what, [record, direction, kind = 'flow']] of Object.entries(cases))
  test(`at which end it was seen: ${what}`, async t => {
    const draft = new Draft(kinds[kind], openBlock(await deliveredOf(kind, [record])))
    for (const step of [orientation(objects), kubernetes(objects), vantage(objects)]) step.enrich(draft)
    const [row] = new Block(draft.block.with(draft.written), kinds[kind]).records()
    t.is(row.direction, direction)
  })

const within: Record<string, [record: object, within: boolean]> = {
  'two pods of it': [{ ...told, src_address: '10.0.2.2' }, true],
  'pods of two nodes': [told, false],
  'a pod and the node itself': [{ ...told, dst_address: '192.168.0.1' }, true],
  'who is outside, and another': [{ ...told, src_address: '203.0.113.1', dst_address: '203.0.113.2' }, false],
  'nodes of one name in two clusters': [{ ...told, src_cluster: 'west', src_node: 'node-2', src_address: '10.9.0.1' }, false],
  'where the source says so': [{ ...told, src_address: '10.9.0.1', src_node: 'node-2', src_cluster: 'east' }, true],
}

for (const [what, [record, expected]] of Object.entries(within))
  test(`packets stay on a node: ${what}`, async t => {
    const draft = new Draft(kinds.flow, openBlock(await deliveredOf('flow', [record, told])))
    for (const step of [orientation(objects), kubernetes(objects), vantage(objects)]) step.enrich(draft)
    const [row] = new Block(draft.block.with(draft.written), kinds.flow).records()
    t.is(row.within_node ?? false, expected)
  })
