import type { Bus } from '../runtime/bus/bus.ts'
import type { ServiceContext } from '../runtime/service.ts'
import type { Reachable } from './ends/clusters.ts'
import { loadObjects } from './load.ts'
import { observeIdentities, observeObjects } from './observe.ts'
import { shareNames } from './shared-names.ts'
import type { Step } from './step.ts'
import { dns } from './steps/dns.ts'
import { identity } from './steps/identity.ts'
import { kubernetes } from './steps/kubernetes.ts'
import { type Networks, network } from './steps/network.ts'
import { orientation } from './steps/orientation.ts'
import { vantage } from './steps/vantage.ts'
import { type IdentityOptions, IdentityTable } from './tables/identities.ts'
import { type MaxmindFiles, openMaxmind } from './tables/maxmind.ts'
import { openNames } from './tables/names.ts'
import { ObjectTable } from './tables/objects.ts'

export interface StepOptions {
  networks?: Networks
  egress?: Networks
  /** Which clusters reach each other's addresses. */
  reachable?: Reachable
}

export interface KnownOptions {
  identity?: IdentityOptions
  maxmind?: MaxmindFiles
  dns?: { max_names?: number; min_seconds?: number }
}

/** What the steps look things up in; of what is absent nothing is known. */
export interface Known {
  objects: ObjectTable
  identities?: IdentityTable
  places?: Awaited<ReturnType<typeof openMaxmind>>
  names?: ReturnType<typeof openNames>
}

/** What is done to every record with two ends, in this order. */
export const stepsOf = (
  { objects, identities = new IdentityTable(), places, names = openNames() }: Known,
  { networks, egress, reachable }: StepOptions,
  told?: Parameters<typeof kubernetes>[1],
): Step[] => [
  orientation(objects),
  kubernetes(objects, { ...told, reachable }),
  identity(identities, objects),
  network(networks, { egress, places }),
  dns(names, objects),
  vantage(objects),
]

/** Everything the steps need, with all objects that are on the bus; `followed` settles when what comes after them is not followed any more. */
export async function openKnown(bus: Bus, { identity, maxmind = {}, dns }: KnownOptions, { log, signal, status }: ServiceContext) {
  const objects = new ObjectTable()
  const identities = new IdentityTable(identity, (name, reason) => log.warn({ name, reason }, 'cannot use what it says of identities'))
  status('objects', { ready: false, reason: 'loading' })
  const { followed } = await loadObjects(bus, [objects, identities], signal, log)
  status('objects', { ready: true })
  observeObjects(objects)
  observeIdentities(identities)
  const names = openNames(dns)
  await shareNames(names, { bus, log, signal })
  const places = maxmind.asn || maxmind.country ? await openMaxmind(maxmind, { signal, log }) : undefined
  return { known: { objects, identities, places, names }, followed }
}
