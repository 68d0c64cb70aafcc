import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Passwords of the two users of an embedded server. */
export interface Passwords {
  weir: string
  reader: string
}

/** What a reader may use, and can not raise. */
const readerLimits = {
  max_execution_time: 30,
  max_memory_usage: 2_000_000_000,
  max_memory_usage_for_user: 4_000_000_000,
  max_rows_to_read: 5_000_000_000,
  max_result_rows: 1_000_000,
  max_result_bytes: 500_000_000,
  max_concurrent_queries_for_user: 20,
  max_threads: 8,
}

/** Sizes for a laptop; a server of its own has a configuration of its own. */
const serverSettings = {
  max_server_memory_usage_to_ram_ratio: 0.4,
  mark_cache_size: 64 << 20,
  index_mark_cache_size: 16 << 20,
  primary_index_cache_size: 64 << 20,
  uncompressed_cache_size: 0,
  index_uncompressed_cache_size: 0,
  mmap_cache_size: 0,
  compiled_expression_cache_size: 16 << 20,
  background_pool_size: 2,
  background_merges_mutations_concurrency_ratio: 2,
  background_move_pool_size: 1,
  background_fetches_pool_size: 1,
  background_common_pool_size: 2,
  background_schedule_pool_size: 4,
  background_buffer_flush_schedule_pool_size: 1,
  background_message_broker_schedule_pool_size: 1,
  background_distributed_schedule_pool_size: 1,
  max_concurrent_queries: 100,
  keep_alive_timeout: 30,
  shutdown_wait_unfinished: 2,
}

/** ClickHouse refuses to start when these exceed the merge pool. */
const mergeTreeSettings = {
  number_of_free_entries_in_pool_to_lower_max_size_of_merge: 2,
  number_of_free_entries_in_pool_to_execute_mutation: 2,
  number_of_free_entries_in_pool_to_execute_optimize_entire_partition: 2,
}

const elements = (values: Record<string, string | number>) =>
  Object.entries(values)
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('\n      ')

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** What a server of a cluster tells the others to leave to it. */
const leftToOne = ['max_memory_usage_for_user', 'max_result_rows', 'max_result_bytes', 'max_concurrent_queries_for_user']

/** A limit of 0 means none, so the constraint has a minimum too. */
const constraints = (clustered: boolean) =>
  Object.entries(readerLimits)
    .map(([name, max]) => `<${name}>${clustered && leftToOne.includes(name) ? '' : '<min>1</min>'}<max>${max}</max></${name}>`)
    .join('\n        ')

const user = (name: keyof Passwords, password: string, grants: readonly string[]) => `<${name}>
      <password_sha256_hex>${sha256(password)}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>${name}</profile>
      <quota>default</quota>
      <grants>${grants.map(grant => `<query>${grant}</query>`).join('')}</grants>
    </${name}>`

const starterGrants = ['SYSTEM LISTEN ON *.*', 'CREATE ARBITRARY TEMPORARY TABLE ON *.*', 'TABLE ENGINE ON File', 'READ ON FILE']
  .map(grant => `<query>GRANT ${grant}</query>`)
  .join('')

/**
 * Who the server's own statements run as: they open the port, and wait. It can only be `default` without a password, so the HTTP handlers
 * let nobody in who does not come with the credentials of another user.
 */
const starter = `<default>
      <no_password/>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>${starterGrants}</grants>
    </default>`

function usersXml(passwords: Passwords, { readable, more }: Options): string {
  return `<clickhouse>
  <users>
    ${starter}
    ${user('weir', passwords.weir, ['GRANT ALL ON *.*'])}
    ${user('reader', passwords.reader, [`GRANT SELECT ON ${readable}`])}
  </users>
  <profiles>
    <default/>
    <weir/>
    <reader>
      <readonly>2</readonly>
      ${elements(readerLimits)}
      <constraints>
        ${constraints(more !== undefined)}
        <readonly><const/></readonly>
      </constraints>
    </reader>
  </profiles>
  <quotas><default/></quotas>
</clickhouse>
`
}

/** Authorization headers that are let in, as a regular expression. */
function credentials(passwords: Passwords): string {
  const basic = Object.entries(passwords).map(([user, password]) => Buffer.from(`${user}:${password}`).toString('base64'))
  return `Basic (${basic.map(text => text.replaceAll('+', '[+]')).join('|')})`
}

const handlers = (passwords: Passwords) => `<http_handlers>
    <rule>
      <url>/ping</url>
      <handler><type>static</type><status>200</status><response_content>Ok.</response_content></handler>
    </rule>
    <rule>
      <headers><Authorization>regex:${credentials(passwords)}</Authorization></headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
  </http_handlers>`

function configXml(directory: string, passwords: Passwords, more: string): string {
  return `<clickhouse>
  <logger><console>0</console><log>${directory}/server.log</log><size>10M</size><count>2</count></logger>
  <user_directories><users_xml><path>${directory}/users.xml</path></users_xml></user_directories>
  ${handlers(passwords)}
  ${elements(serverSettings)}
  <merge_tree>${elements(mergeTreeSettings)}</merge_tree>
  ${more}
</clickhouse>
`
}

function writeWhole(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.new`, text, { mode })
  renameSync(`${file}.new`, file)
}

/** Passwords are made once and stay: other processes of this machine may have read them. */
function passwordsIn(directory: string): Passwords {
  const file = path.join(directory, 'passwords.json')
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Passwords
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`cannot read the passwords in ${file}`, { cause: error })
  }
  const made = { weir: randomBytes(18).toString('base64url'), reader: randomBytes(18).toString('base64url') }
  writeWhole(file, JSON.stringify(made), 0o600)
  return made
}

interface Options {
  /** What the reader may select from, as a grant says it. */
  readable: string
  /** Further configuration of a server of a cluster. */
  more?: string
}

/** Writes config.xml and users.xml. */
export function writeConfig(directory: string, options: Options): Passwords {
  const passwords = passwordsIn(directory)
  writeWhole(path.join(directory, 'users.xml'), usersXml(passwords, options), 0o600)
  writeWhole(path.join(directory, 'config.xml'), configXml(directory, passwords, options.more ?? ''), 0o600)
  return passwords
}
