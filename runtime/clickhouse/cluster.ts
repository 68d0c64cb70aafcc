import { localTable } from '../../schema/cluster.ts'
import { ConfigError } from '../error.ts'
import { type ClickHouse, type ClickHouseOptions, type Inserter, ClickHouseError, openClickHouse } from './client.ts'
import { firstThatWorks } from './failover.ts'

/** A server of a cluster; shards and replicas are counted from 1, as ClickHouse does. */
export interface ClusterServer {
  shard: number
  replica: number
  clickhouse: ClickHouse
}

/** Several servers that share a database. */
export interface Cluster extends AsyncDisposable {
  readonly name: string
  readonly database: string
  /** Inserts into the local tables of one shard, at whichever replica takes it: a repeat with the same token counts once at all of them. */
  readonly inserter: Inserter
  /** Every server that has an address, whether it answers or not. */
  readonly addressed: readonly ClickHouse[]
  /** Every server of the cluster. Rejects when it is not known of one where it is. */
  servers(): Promise<ClusterServer[]>
}

export interface ClusterOptions extends Omit<ClickHouseOptions, 'url' | 'cluster'> {
  /** One server, beside which the others are reached at their own names by the same port, user and password; or every server. */
  urls: readonly string[]
  /** Its name in `system.clusters`. */
  cluster: string
}

interface Member {
  shard: number
  replica: number
  host: string
}

const membersSql = `SELECT shard_num AS shard, replica_num AS replica, host_name AS host, is_local
FROM system.clusters WHERE cluster = {cluster:String} ORDER BY shard, replica`

const askTimeoutMs = 5000
const setting = 'clickhouse.cluster (WEIR_CLICKHOUSE_CLUSTER)'

/** A server, and which of the cluster it is as soon as it was asked. */
interface Endpoint {
  clickhouse: ClickHouse
  member?: Pick<Member, 'shard' | 'replica'>
}

/** Asks the first server that answers who belongs to the cluster. Rejects with a retriable ClickHouseError when none does. */
export async function openCluster({ urls, cluster: name, ...options }: ClusterOptions): Promise<Cluster> {
  const open = (url: string) => openClickHouse({ url, cluster: name, ...options })
  await using stack = new AsyncDisposableStack()
  const asked = urls.map(url => stack.use(open(url)))
  const members = await firstThatWorks(asked, clickhouse => readMembers(clickhouse, name))
  const endpoints: Endpoint[] =
    urls.length > 1 || members.length === 1 ? asked.map(clickhouse => ({ clickhouse })) : beside(urls[0], members)

  function beside(url: string, members: readonly Member[]): Endpoint[] {
    return members.map(member => ({ clickhouse: stack.use(open(withHost(url, member.host))), member }))
  }

  let locating: Promise<PromiseSettledResult<void>[]> | undefined

  /** Finds out which server is which. One that does not answer is asked again the next time. */
  function locate(): Promise<PromiseSettledResult<void>[]> {
    const place = async (endpoint: Endpoint) => {
      endpoint.member ??= await readOwn(endpoint.clickhouse, name)
    }
    locating ??= Promise.allSettled(endpoints.map(place)).finally(() => (locating = undefined))
    return locating
  }

  const replicasKnown = (shard: number) => endpoints.filter(({ member }) => member?.shard === shard).map(({ clickhouse }) => clickhouse)

  /** Does not wait for servers that do not answer when it knows another of the shard. */
  async function replicasOf(shard: number): Promise<ClickHouse[]> {
    const located = locate()
    if (replicasKnown(shard).length) return replicasKnown(shard)
    const failed = (await located).find(result => result.status === 'rejected')
    if (replicasKnown(shard).length) return replicasKnown(shard)
    const why = failed ? (failed.reason as Error).message : 'no address in clickhouse.url is one of its servers'
    throw new ClickHouseError(`nobody knows where shard ${shard} of the cluster ${name} is: ${why}`, unreachable)
  }

  async function servers(): Promise<ClusterServer[]> {
    const failed = (await locate()).find(result => result.status === 'rejected')
    if (failed) throw failed.reason
    return members.map(({ shard, replica, host }) => {
      const endpoint = endpoints.find(({ member }) => member?.shard === shard && member.replica === replica)
      if (endpoint) return { shard, replica, clickhouse: endpoint.clickhouse }
      throw new ConfigError(
        `clickhouse.url (WEIR_CLICKHOUSE_URL): expected one address, or those of all servers of the cluster ${name}, but none is replica ${replica} of shard ${shard} (${host})`,
      )
    })
  }

  const inserter = inserterOf(Math.max(...members.map(({ shard }) => shard)), replicasOf)
  const held = stack.move()
  const addressed = endpoints.map(({ clickhouse }) => clickhouse)
  return { name, database: asked[0].database, inserter, addressed, servers, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

const unreachable = { code: 0, type: 'UNREACHABLE', retriable: true }

function inserterOf(shards: number, replicasOf: (shard: number) => Promise<ClickHouse[]>): Inserter {
  const last = new Map<number, ClickHouse>()
  return {
    shards,
    async insertNative(table, blocks, { shard = 0, ...options }) {
      // The cluster may have become smaller since the batch was planned.
      const number = (shard % shards) + 1
      const replicas = (await replicasOf(number)).sort((a, b) => Number(b === last.get(number)) - Number(a === last.get(number)))
      await firstThatWorks(replicas, async replica => {
        await replica.insertNative(localTable(table), blocks, options)
        last.set(number, replica)
      })
    },
  }
}

function withHost(url: string, host: string): string {
  const address = new URL(url)
  address.hostname = host.includes(':') ? `[${host}]` : host
  return address.href
}

async function ask<T>(clickhouse: ClickHouse, sql: string, params: Record<string, unknown> = {}): Promise<T[]> {
  const signal = AbortSignal.timeout(askTimeoutMs)
  try {
    return (await clickhouse.query<T>(sql, { params, database: 'system', signal })).rows
  } catch (error) {
    if (!signal.aborted) throw error
    throw new ClickHouseError(`cannot reach ClickHouse at ${clickhouse.where}: no answer within ${askTimeoutMs} ms`, unreachable)
  }
}

async function readMembers(clickhouse: ClickHouse, cluster: string): Promise<Member[]> {
  const members = await ask<Member>(clickhouse, membersSql, { cluster })
  if (members.length) return members
  const known = await ask<{ name: string }>(clickhouse, 'SELECT DISTINCT cluster AS name FROM system.clusters ORDER BY name')
  const names = known.map(({ name }) => name).join(', ')
  throw new ConfigError(`${setting}: expected a cluster that ${clickhouse.where} knows (${names || 'it knows none'}), got "${cluster}"`)
}

async function readOwn(clickhouse: ClickHouse, cluster: string): Promise<Pick<Member, 'shard' | 'replica'>> {
  const members = await ask<Member & { is_local: number }>(clickhouse, membersSql, { cluster })
  const own = members.length === 1 ? members[0] : members.find(({ is_local }) => is_local)
  if (own) return own
  throw new ConfigError(`${setting}: ${clickhouse.where} does not find itself in the cluster ${cluster} (is_local of system.clusters)`)
}
