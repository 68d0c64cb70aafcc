import test from 'ava'
import { lostOf, sightsOf } from '../../../dashboards/web/map/seen-by.ts'
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

test('nothing is said to be lost where one end alone was seen', t => {
  t.is(lostOf({ sent: 10, received: 0 }), undefined)
  t.is(lostOf({ sent: 10, received: 7 }), 3)
  t.is(lostOf({ sent: 7, received: 10 }), 0)
})
