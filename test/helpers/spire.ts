import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { freePort, stop } from './hubble-rig.ts'
import { until } from './wait.ts'

const program = path.join(process.env.WEIR_RIGS ?? path.join(homedir(), '.cache/weir-rigs/bin'), 'spire-server')
const run = promisify(execFile)

/** Says whether a real SPIRE server is there; without it a test is skipped, and fails where it is required. */
export async function hasSpire(t: ExecutionContext): Promise<boolean> {
  const found = await access(program).then(
    () => true,
    () => false,
  )
  if (found) return true
  t.log(`skipped: no ${program}`)
  if (process.env.CI) t.fail()
  else t.pass()
  return false
}

/** A registration entry, as `spire-server entry create -data` takes it. */
export interface NewEntry {
  id: string
  /** Entry id, once it is there. */
  entry_id?: string
  parent?: string
  selectors: string[]
  /** Seconds since 1970. */
  entryExpiry?: number
  federates_with?: string[]
}

export interface SpireServer extends AsyncDisposable {
  /** Address of its socket. */
  address: string
  /** Address of its API over TLS. */
  tcp: string
  pid: number
  /** Runs spire-server with a command; what it says. */
  command(...args: string[]): Promise<string>
  /** Creates entries and answers their ids. */
  create(...entries: NewEntry[]): Promise<string[]>
  /** Changes what an entry says to all that is given. */
  update(entry: NewEntry): Promise<void>
  remove(id: string): Promise<void>
  /** Files of an SVID of an administrator. */
  mint(spiffeId: string): Promise<{ cert: string; key: string; ca: string }>
  /** Ends it as kill -9 does. */
  kill(): Promise<void>
  start(): Promise<void>
}

export const trustDomain = 'example.org'
export const adminId = `spiffe://${trustDomain}/weir/collector`
const idOf = (text: string) => (text.startsWith('spiffe://') ? text : `spiffe://${trustDomain}${text}`)

/** A SPIRE server of its own with a store in a directory that is removed at the end. */
export async function openSpire(): Promise<SpireServer> {
  // Paths of sockets have at most 107 bytes.
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-spire-'))
  const socket = path.join(directory, 'api.sock')
  const port = await freePort()
  const config = path.join(directory, 'server.conf')
  await writeFile(config, configOf(directory, socket, port))
  const command = async (...args: string[]) => (await run(program, [...args, '-socketPath', socket], { maxBuffer: 64 << 20 })).stdout
  let child: ChildProcess
  let files = 0

  async function start() {
    child = spawn(program, ['run', '-config', config], { stdio: 'ignore' })
    await until('SPIRE', () => command('healthcheck').then(Boolean, () => false), { everyMs: 200 })
  }

  async function write(entries: readonly NewEntry[]): Promise<string> {
    const file = path.join(directory, `entries-${++files}.json`)
    const all = entries.map(({ id, entry_id, parent = '/spire/agent/test/node', selectors, ...more }) => ({
      spiffe_id: idOf(id),
      parent_id: idOf(parent),
      selectors: selectors.map(text => ({ type: text.slice(0, text.indexOf(':')), value: text.slice(text.indexOf(':') + 1) })),
      ...(entry_id && { entry_id }),
      ...more,
    }))
    await writeFile(file, JSON.stringify({ entries: all }))
    return file
  }

  await start()
  return {
    address: `unix://${socket}`,
    tcp: `127.0.0.1:${port}`,
    get pid() {
      return child.pid!
    },
    command,
    async create(...entries) {
      const said = await command('entry', 'create', '-data', await write(entries))
      return [...said.matchAll(/^Entry ID\s+: (\S+)/gm)].map(([, id]) => id)
    },
    async update(entry) {
      await command('entry', 'update', '-data', await write([entry]))
    },
    async remove(id) {
      await command('entry', 'delete', '-entryID', id)
    },
    async mint(spiffeId) {
      await command('x509', 'mint', '-spiffeID', spiffeId, '-write', directory)
      const [cert, key, ca] = ['svid.pem', 'key.pem', 'bundle.pem'].map(name => path.join(directory, name))
      await Promise.all([cert, key, ca].map(file => readFile(file)))
      return { cert, key, ca }
    },
    kill: () => stop(child),
    start,
    async [Symbol.asyncDispose]() {
      await stop(child)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const configOf = (directory: string, socket: string, port: number) => `
server {
  bind_address = "127.0.0.1"
  bind_port = "${port}"
  socket_path = "${socket}"
  trust_domain = "${trustDomain}"
  data_dir = "${directory}"
  log_level = "ERROR"
  ca_ttl = "24h"
  admin_ids = ["${adminId}"]
  federation {}
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${directory}/datastore.sqlite3" } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "disk" { plugin_data { keys_path = "${directory}/keys.json" } }
}
`
