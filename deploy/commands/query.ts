import { Command, InvalidArgumentError, Option } from 'commander'
import { call } from './call.ts'

const defaultUrl = process.env.WEIR_URL ?? 'http://127.0.0.1:8080'
const url = () => new Option('--url <url>', 'where weir serves').default(defaultUrl)
const range = (command: Command) => command.option('--from <time>', 'beginning', 'now-15m').option('--to <time>', 'end', 'now')

type Row = Record<string, unknown>

/** `weir flows`, `weir requests` and `weir query`: questions to a running weir. */
export function queryCommands(): Command[] {
  return [records('flow', 'flows'), records('request', 'requests'), query()]
}

interface RecordOptions {
  url: string
  from: string
  to: string
  where?: string
  limit: string
  output: 'text' | 'json'
  follow?: boolean
}

function records(kind: 'flow' | 'request', name: string): Command {
  return range(new Command(name))
    .description(`print ${name}, newest last`)
    .addOption(url())
    .option('--where <filter>', 'such as: verdict = dropped AND dst_port IN (80, 443)')
    .option('--limit <rows>', 'how many', '50')
    .option('--follow', 'go on with new ones')
    .addOption(new Option('-o, --output <format>', 'one line each, or one JSON object each').choices(['text', 'json']).default('text'))
    .action(async ({ url, from, to, where = '', limit, output, follow }: RecordOptions) => {
      const print = (row: Row) => console.log(output === 'json' ? JSON.stringify(row) : printable(line(kind, row)))
      if (follow) return live(url, kind, where, print)
      const response = await call(url, `/api/v1/records/${kind}?${String(new URLSearchParams({ from, to, where, limit }))}`, { where })
      const { rows } = (await response.json()) as { rows: Row[] }
      rows.reverse().forEach(print)
    })
}

/** Server-sent events until the server or the reader ends. */
async function live(url: string, kind: string, where: string, print: (row: Row) => void): Promise<void> {
  const response = await call(url, `/api/v1/live?${String(new URLSearchParams({ kind, where }))}`, { where })
  let rest = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const messages = (rest + chunk).split('\n\n')
    rest = messages.pop()!
    for (const message of messages) {
      const data = message
        .split('\n')
        .filter(text => text.startsWith('data: '))
        .map(text => text.slice(6))
        .join('')
      const event = /^event: (.*)$/m.exec(message)?.[1]
      if (event === 'record') print(JSON.parse(data) as Row)
      if (event === 'skipped') console.error(`weir: ${(JSON.parse(data) as { records: number }).records} more were left out`)
      if (event === 'error') throw new Error((JSON.parse(data) as { message: string }).message)
    }
  }
}

/** What was seen on a network must not speak to the terminal. */
// oxlint-disable-next-line no-control-regex
const printable = (text: string) => text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '?')

const end = (row: Row, side: 'src' | 'dst') => {
  const name = row[`${side}_pod`] || row[`${side}_service`] || row[`${side}_dns_name`] || row[`${side}_node`] || row[`${side}_entity`]
  const where = row[`${side}_namespace`] && name === row[`${side}_pod`] ? `${String(row[`${side}_namespace`])}/${String(name)}` : name
  return `${String(where || row[`${side}_address`] || '?')}:${String(row[`${side}_port`])}`
}

function line(kind: 'flow' | 'request', row: Row): string {
  const ends = `${end(row, 'src')} -> ${end(row, 'dst')}`
  const policy = row.policy_name ? ` by ${String(row.policy_kind)} ${String(row.policy_namespace)}/${String(row.policy_name)}` : ''
  const reason = row.drop_reason ? ` (${String(row.drop_reason)}${policy})` : ''
  if (kind === 'flow')
    return `${String(row.time)} ${String(row.verdict).toUpperCase()} ${ends} ${String(row.protocol)} ${String(row.observation_point)}${reason}`
  const latency = Number(row.latency) ? ` ${(Number(row.latency) / 1e6).toFixed(1)}ms` : ''
  const what = String(row.dns_query || row.kafka_topic || row.path)
  return `${String(row.time)} ${ends} ${String(row.phase)} ${String(row.protocol)} ${String(row.method)} ${what} ${String(row.status_code || '')}${latency}`
}

interface QueryOptions {
  url: string
  kind?: string
  from: string
  to: string
  by?: string
  where?: string
  every?: number
  top?: number
  output: 'table' | 'json'
}

function positive(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError(`expected a whole number from 1, got ${JSON.stringify(text)}`)
  return Number(text)
}

function query(): Command {
  const list = (text: string) => text.split(',').map(part => part.trim())
  return range(new Command('query'))
    .description('compute metrics by dimensions')
    .argument('<metrics>', 'such as flows,drops or requests,error_ratio,latency_p95')
    .addOption(url())
    .option('--kind <kind>', 'of records; the metrics imply it, except for records')
    .option('--by <dimensions>', 'such as src_workload,dst_workload')
    .option('--where <filter>', 'which records')
    .option('--every <seconds>', 'one row for each so many seconds', positive)
    .option('--top <groups>', 'only the largest groups, the others added up', positive)
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .action(async (metrics: string, { url, kind, from, to, by, where, every, top, output }: QueryOptions) => {
      const body = {
        kind,
        from,
        to,
        metrics: list(metrics),
        by: by ? list(by) : [],
        where,
        every,
        top,
      }
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
      const response = await call(url, '/api/v1/query', { ...init, where })
      const answer = (await response.json()) as { columns: { name: string }[]; rows: unknown[][] }
      if (output === 'json') return console.log(JSON.stringify(answer))
      console.table(answer.rows.map(row => Object.fromEntries(answer.columns.map(({ name }, column) => [name, row[column]]))))
    })
}
