import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { truth } from '../../../collectors/demo/index.ts'
import { Lives } from '../../../collectors/demo/lives.ts'
import { asKnownAt, versionsBetween } from '../../../collectors/demo/objects.ts'
import { type Plan, firstPlan, flowsIn, writePlan } from '../../../collectors/demo/plan.ts'
import { chapter, second } from '../../../collectors/demo/story.ts'
import { FlowStream } from '../../../collectors/demo/stream.ts'
import { load as loadAt } from '../../../collectors/demo/story.ts'
import { type Endpoint, type Flow, decodeResponse, messagesIn, microsecondsOf } from './hubble-client.ts'

const anchor = 1_795_000_000
const planOf = (rate = 200, seed = 11) => firstPlan({ seed, rate, now: anchor })
const bytesOf = (plan: Plan, from: number, to: number) =>
  Buffer.concat(
    Array.from({ length: to - from }, (_, i) => [...new FlowStream(plan).encode((from + i) * second, (from + i + 1) * second)]).flat(),
  )

/** The flows of the seconds [from, to), decoded by protobufjs. */
function* flowsOf(plan: Plan, from: number, to: number): Generator<Flow> {
  const stream = new FlowStream(plan)
  for (let tick = from; tick < to; tick++)
    for (const bytes of stream.encode(tick * second, (tick + 1) * second))
      for (const message of messagesIn(bytes)) yield decodeResponse(message).flow as Flow
}

test('the same seed makes the same bytes, another seed others', t => {
  const once = bytesOf(planOf(), anchor, anchor + 5)
  t.true(once.equals(bytesOf(planOf(), anchor, anchor + 5)))
  t.false(once.equals(bytesOf(planOf(200, 12), anchor, anchor + 5)))
})

test('a second is the same whatever was asked for before it', t => {
  const stream = new FlowStream(planOf())
  const one = (tick: number) => Buffer.concat([...stream.encode(tick * second, (tick + 1) * second)])
  const forth = [0, 1, 2, 700, 701].map(i => one(anchor + i))
  const back = [701, 2, 700, 1, 0].map(i => one(anchor + i)).reverse()
  t.true(forth[0].equals(back[0]))
  t.true(forth[4].equals(back[4]))
  t.true(forth[1].equals(back[1]))
})

for (const rate of [1, 3.7, 200, 20_000])
  test(`at ${rate} flows a second each second holds as many as the rate adds up to, in order and within it`, t => {
    const plan = planOf(rate)
    for (const tick of [anchor, anchor + 1, anchor + 620]) {
      const times = [...flowsOf(plan, tick, tick + 1)].map(flow => microsecondsOf(flow.time))
      t.is(times.length, flowsIn(plan, tick))
      t.true(Math.abs(times.length - rate) <= 1)
      t.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      t.true(times.every(time => time >= tick * second && time < (tick + 1) * second))
    }
  })

test('the hour before the first start holds at most 750,000 flows, however high the rate', t => {
  const plan = planOf(20_000)
  let sum = 0
  for (let tick = anchor - 3600; tick < anchor; tick++) sum += flowsIn(plan, tick)
  t.true(sum > 700_000 && sum <= 750_000)
  t.is(flowsIn(plan, anchor - 3601), 0)
})

test('load goes up and down around 1', t => {
  const loads = Array.from({ length: 24 * 60 }, (_, minutes) => loadAt((anchor + minutes * 60) * second))
  const mean = loads.reduce((a, b) => a + b) / loads.length
  t.true(Math.abs(mean - 1) < 0.05)
  t.true(Math.min(...loads) > 0.5 && Math.max(...loads) < 1.5)
})

test('what protobufjs decodes adds up to the truth, and no uuid comes twice', async t => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-demo-'))
  const plan = planOf(300)
  await writePlan(dataDir, plan)
  // Part of a deploy, and of the denial.
  for (const [from, to] of [
    [anchor + 100, anchor + 110],
    [anchor + 640, anchor + 650],
  ]) {
    const flows = [...flowsOf(plan, from, to)]
    const expected = await truth({ dataDir, from: from * 1000, to: to * 1000 })
    const counted = (key: (flow: Flow) => string | undefined) => {
      const counts: Record<string, number> = {}
      for (const flow of flows) {
        const of = key(flow)
        if (of !== undefined) counts[of] = (counts[of] ?? 0) + 1
      }
      return counts
    }
    t.is(flows.length, expected.flows)
    t.is(new Set(flows.map(flow => flow.uuid)).size, flows.length)
    t.true(flows.every(({ uuid }) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid)))
    t.deepEqual(
      counted(flow => flow.verdict.toLowerCase()),
      expected.verdicts,
    )
    t.deepEqual(
      counted(flow => flow.Type.toLowerCase()),
      expected.types,
    )
    t.deepEqual(
      counted(flow => (flow.drop_reason_desc === 'DROP_REASON_UNKNOWN' ? undefined : flow.drop_reason_desc.toLowerCase())),
      expected.drop_reasons,
    )
    t.deepEqual(
      counted(flow => [...flow.ingress_denied_by, ...flow.egress_denied_by].map(by => `${by.kind}/${by.namespace}/${by.name}`)[0]),
      expected.denied_by,
    )
    t.deepEqual(
      counted(flow => `${labelOf(flow.source)} > ${addressee(flow)}`),
      expected.edges,
    )
    t.deepEqual(counted(requestOf), expected.requests)
  }
  await rm(dataDir, { recursive: true })
})

function labelOf(endpoint: Endpoint | undefined): string {
  if (endpoint?.workloads.length) return `${endpoint.namespace}/${endpoint.workloads[0].name}`
  return endpoint?.labels.includes('reserved:world') ? 'world' : 'host'
}
const addressee = ({ destination, destination_service: service }: Flow) =>
  service ? `service ${service.namespace}/${service.name}` : labelOf(destination)

function requestOf({ l7, is_reply, traffic_direction, source, destination }: Flow): string | undefined {
  if (!l7) return undefined
  const ends = is_reply?.value ? [destination, source] : [source, destination]
  const protocol = l7.http ? 'http' : l7.dns ? 'dns' : 'kafka'
  const status = l7.type === 'RESPONSE' ? ` ${l7.http?.code ?? l7.dns?.rcode ?? l7.kafka?.error_code}` : ''
  return `${ends.map(labelOf).join(' > ')} ${protocol} ${traffic_direction.toLowerCase()} ${l7.type.toLowerCase()}${status}`
}

test('each end of each flow is the pod that has the address at that moment, also when a pod hands its address on', t => {
  const plan = planOf(60)
  const [from, to] = [anchor - 1200, anchor]
  const origin = { seed: plan.seed, anchor: anchor * second }
  const objects = versionsBetween(origin, new Lives(origin.seed, origin.anchor), from * second, to * second)
  const holders = new Map<string, typeof objects>()
  for (const version of objects.filter(version => version.kind === 'pod' && !version.host_network))
    holders.set(version.addresses![0], [...(holders.get(version.addresses![0]) ?? []), version])

  const handedOn = [...holders.values()].flatMap(pods =>
    pods
      .toSorted((a, b) => a.valid_from - b.valid_from)
      .flatMap((pod, i, all) => (i && all[i - 1].workload !== pod.workload && pod.valid_from - all[i - 1].valid_to < second ? [pod] : [])),
  )
  t.true(handedOn.length >= 10, `${handedOn.length} addresses handed on in 20 minutes`)
  t.true(handedOn.every(pod => pod.valid_from > 0))

  const seen = new Set<string>()
  let wrong = 0
  for (const { time, IP, source, destination, destination_service } of flowsOf(plan, from, to)) {
    const ends: [string, Endpoint | undefined][] = [[IP.source, source]]
    if (!destination_service) ends.push([IP.destination, destination])
    for (const [address, endpoint] of ends) {
      const at = microsecondsOf(time)
      const holder = holders.get(address)?.filter(pod => pod.valid_from <= at && pod.valid_to > at) ?? []
      if (holder.length > 1 || (holder[0]?.name ?? '') !== (endpoint?.pod_name ?? '')) wrong++
      if (holder[0]) seen.add(holder[0].uid)
    }
  }
  t.is(wrong, 0)
  t.true(
    handedOn.every(pod => seen.has(pod.uid)),
    'each pod that got an address of another is seen',
  )
})

test('a pod seen before its end is known has no end yet', t => {
  const origin = { seed: 1, anchor: anchor * second }
  const job = versionsBetween(origin, new Lives(1, origin.anchor), anchor * second, (anchor + 90) * second).find(
    ({ workload }) => workload === 'report',
  )!
  t.is(asKnownAt(job, job.valid_from - 1), undefined)
  t.is(asKnownAt(job, job.valid_from)?.valid_to, 4_102_444_800_000_000)
  t.is(asKnownAt(job, job.valid_to)?.valid_to, job.valid_to)
})

/** Server errors and the median latency (ms) of each edge in a stretch of the plan. */
function edgesOf(plan: Plan, from: number, to: number) {
  const edges = new Map<string, { answers: number; errors: number; latencies: number[] }>()
  for (const { l7, source, destination, traffic_direction } of flowsOf(plan, from, to)) {
    if (l7?.type !== 'RESPONSE' || !l7.http || traffic_direction !== 'INGRESS') continue
    const key = `${labelOf(destination)} > ${labelOf(source)}`
    const edge = edges.get(key) ?? { answers: 0, errors: 0, latencies: [] }
    edges.set(key, edge)
    edge.answers++
    if (l7.http.code >= 500) edge.errors++
    edge.latencies.push(Number(l7.latency_ns) / 1e6)
  }
  return new Map(
    [...edges].map(([key, { answers, errors, latencies }]) => [
      key,
      { answers, ratio: errors / answers, median: latencies.sort((a, b) => a - b)[latencies.length >> 1] },
    ]),
  )
}

test('checkout v2 raises errors and latency on checkout > payment, and nowhere else', t => {
  const plan = planOf()
  const { deploy } = chapter(anchor * second, -1)
  const start = deploy / second
  const before = edgesOf(plan, start - 120, start)
  const during = edgesOf(plan, start + 60, start + 180)
  const broken = during.get('shop/checkout > payments/payment')!
  t.true(broken.answers > 100)
  t.true(broken.ratio > 0.25, `${broken.ratio}`)
  t.true(broken.median > 4 * before.get('shop/checkout > payments/payment')!.median, `${broken.median} ms`)
  for (const [edge, { ratio, median }] of during)
    if (edge !== 'shop/checkout > payments/payment') {
      t.true(ratio < 0.05, `${edge}: ${ratio}`)
      t.true(median < 1.6 * before.get(edge)!.median, `${edge}: ${median} ms`)
    }
})

test('payments/restrict-fraud denies checkout > fraud while it is there, and its object says so', t => {
  const plan = planOf()
  const { deny, allow } = chapter(anchor * second, 0)
  const denialsIn = (from: number, to: number) =>
    [...flowsOf(plan, from / second, to / second)].filter(flow => flow.ingress_denied_by.some(by => by.name === 'restrict-fraud'))
  t.is(denialsIn(deny - 20 * second, deny).length, 0)
  const denials = denialsIn(deny, deny + 30 * second)
  t.true(denials.length > 60, `${denials.length}`)
  t.true(
    denials.every(
      flow => flow.verdict === 'DROPPED' && labelOf(flow.source) === 'shop/checkout' && labelOf(flow.destination) === 'payments/fraud',
    ),
  )
  const attempts = new Map<number, number>()
  for (const { l4, event_type } of denials)
    if (event_type.type === 1) attempts.set(l4!.TCP!.source_port, (attempts.get(l4!.TCP!.source_port) ?? 0) + 1)
  t.true(
    [...attempts.values()].some(tries => tries === 3),
    'the first packet is sent three times',
  )
  const origin = { seed: plan.seed, anchor: anchor * second }
  const object = versionsBetween(origin, new Lives(origin.seed, origin.anchor), deny, allow).find(({ name }) => name === 'restrict-fraud')!
  t.deepEqual([object.valid_from, object.valid_to], [deny, allow])
  t.true(JSON.parse(object.spec!).spec.ingressDeny.length === 1)
})
