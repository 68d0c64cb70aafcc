import { openApi } from '../../query-api/app.ts'
import { meta } from '../../query-api/routes/schemas.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openLog } from '../../runtime/log.ts'
import { code, page, table } from '../../schema/reference.ts'

/** The parts of an OpenAPI document that the API has. */
interface Schema {
  type?: string
  description?: string
  default?: unknown
  enum?: readonly unknown[]
  minimum?: number
  maximum?: number
  items?: Schema
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
}

interface Operation {
  summary?: string
  parameters?: readonly { name: string; in: string; required?: boolean; schema: Schema; description?: string }[]
  requestBody?: { content: Readonly<Record<string, { schema: Schema }>> }
  responses?: Readonly<Record<string, { content?: Readonly<Record<string, { schema: Schema }>> }>>
}

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

/** The description of the API, without a server behind it. */
async function readPaths(): Promise<Paths> {
  const clickhouse = openClickHouse({ url: 'http://127.0.0.1:9', database: 'weir' })
  const app = openApi({ clickhouse, log: openLog({ level: 'error' }) })
  try {
    await app.ready()
    return app.swagger().paths as Paths
  } finally {
    await app.close()
    await clickhouse[Symbol.asyncDispose]()
  }
}

function typeOf({ type = 'anything', enum: values, items, minimum, maximum }: Schema): string {
  if (values) return `one of ${values.map(value => code(String(value))).join(', ')}`
  if (items) return `list of ${typeOf(items)}`
  const range = [minimum === undefined ? '' : `from ${minimum}`, maximum === undefined ? '' : `to ${maximum}`]
  return [type, ...range].filter(Boolean).join(' ')
}

const valueRow = (name: string, schema: Schema, { where = '', required = false, description = schema.description }) => [
  code(name),
  where,
  typeOf(schema),
  required ? 'yes' : '',
  schema.default === undefined || schema.default === '' ? '' : code(String(schema.default)),
  description ?? '',
]

const bodyRows = ({ properties = {}, required = [] }: Schema, where: string) =>
  Object.entries(properties).map(([name, schema]) => valueRow(name, schema, { where, required: required.includes(name) }))

const answerRows = ({ properties = {} }: Schema) =>
  Object.entries(properties).map(([name, schema]) => [
    name === 'meta' ? '[`meta`](#meta)' : code(name),
    typeOf(schema),
    schema.description ?? schema.items?.description ?? '',
  ])

const first = <T>(content: Readonly<Record<string, T>> | undefined) => Object.values(content ?? {}).at(0)

function section(path: string, method: string, { summary = '', parameters = [], requestBody, responses = {} }: Operation): string[] {
  const asked = [
    ...parameters.map(({ name, in: where, required, schema, description }) => valueRow(name, schema, { where, required, description })),
    ...bodyRows(first(requestBody?.content)?.schema ?? {}, 'body'),
  ]
  const answered = answerRows(first(responses['200']?.content)?.schema ?? {})
  return [
    `## ${method.toUpperCase()} ${path}`,
    summary,
    ...(asked.length ? [table(['parameter', 'in', 'type', 'required', 'default', 'about'], asked)] : []),
    ...(answered.length ? [table(['answer', 'type', 'about'], answered)] : []),
  ]
}

/** The page of the HTTP API. */
export async function apiPage(): Promise<string> {
  const paths = Object.entries(await readPaths())
  return page(
    'HTTP API',
    'JSON, all described by `/api/v1/openapi.json`. Times are RFC 3339 or relative, such as `now-15m`; a range that is not given is the last hour, ' +
      'unless the summary says otherwise. What a request says and the API does not know is an error.',
    'An error is `{"error": {"code", "message", "place"?, "position"?, "length"?, "expected"?}}`: 400 for a wrong question (`position` and `length` point ' +
      'into its filter), 403 for a host name that is not served, 422 for a question that costs too much, 503 when ClickHouse is away.',
    ...paths.flatMap(([path, operations]) => Object.entries(operations).flatMap(([method, operation]) => section(path, method, operation))),
    '## meta',
    meta.description,
    table(['field', 'type', 'about'], answerRows(meta)),
  )
}
