import test from 'ava'
import { passedOf, sightsOf } from '../../../dashboards/web/map/seen-by.ts'
import type { Witness } from '../../../query-api/witnesses.ts'

const seen = (source: string, layer: string, reporter_kind: string, direction: string, records: number): Witness => ({
  kind: layer === 'l7_proxy' ? 'request' : 'flow',
  source,
  layer,
  reporter_kind,
  direction,
  records,
})

const cases: Record<string, [seen: Witness[], words: string[]]> = {
  'both nodes of one agent are one': [
    [seen('hubble', 'kernel', '', 'egress', 4), seen('hubble', 'kernel', '', 'ingress', 5)],
    ['Hubble at both ends, 9'],
  ],
  'one end is named': [[seen('envoy', 'l7_proxy', 'sidecar', 'ingress', 3)], ['Envoy, sidecar at the destination, 3']],
  'a gateway is at neither end': [[seen('envoy', 'l7_proxy', 'gateway', 'egress', 3)], ['Envoy at a gateway, 3']],
  'who is on the way says so': [
    [seen('ipfix', 'exporter', 'exporter', 'unknown', 2), seen('netobserv', 'kernel', 'node', 'unknown', 7)],
    ['NetObserv somewhere on the way, 7', 'IPFIX at a router or probe on the way, 2'],
  ],
}

for (const [title, [witnesses, words]] of Object.entries(cases))
  test(`seen by, in words: ${title}`, t =>
    t.deepEqual(
      sightsOf(witnesses).map(({ who, where, records }) => `${who} ${where}, ${records}`),
      words,
    ))

const [there, here] = [seen('hubble', 'kernel', '', 'egress', 4), seen('hubble', 'kernel', '', 'ingress', 5)]
const passing: Record<string, [seen_by: Witness[], sent: number, received: number, words: string[]]> = {
  'what left and arrived': [[there, here], 10, 7, ['Sent 10', 'Received 7', 'Lost on the way 3']],
  'no less than nothing was lost': [[there, here], 7, 10, ['Sent 7', 'Received 10', 'Lost on the way 0']],
  'what was stopped at the destination was not lost': [[there, here], 10, 0, ['Sent 10']],
  'of who is outside nobody knows what arrived': [[there], 10, 20, []],
  'requests say nothing of packets': [[there, seen('envoy', 'l7_proxy', 'sidecar', 'ingress', 3)], 10, 20, []],
}

for (const [title, [seen_by, sent, received, words]] of Object.entries(passing))
  test(`on the way: ${title}`, t =>
    t.deepEqual(
      passedOf({ seen_by, sent, received }).map(([name, flows]) => `${name} ${flows}`),
      words,
    ))
