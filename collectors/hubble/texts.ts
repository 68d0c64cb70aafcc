import { Cursor, bytesType, varintType } from '../protobuf/cursor.ts'
import { entities, reservedIdentities } from './vocabulary.ts'

/** Texts read once and written to label columns many times. */
export class Texts {
  readonly texts: readonly string[]
  /** The numeric identity of an endpoint; the revision of a policy. */
  readonly identity: number

  constructor(texts: readonly string[], identity = 0) {
    this.texts = texts
    this.identity = identity
  }
}

/** What an endpoint says of an end, in the order of its texts. */
export const endpointColumns = ['pod', 'cluster', 'namespace', 'workload', 'workload_kind', 'service_account', 'entity'] as const

export const noEndpoint = new Texts(endpointColumns.map(() => ''))
export const noTexts = new Texts([''])
export const noPolicy = new Texts(['', '', '', '', ''])

const nested = new Cursor()

/** The fields of a small message: the last of each text, all numbers, and every text of a repeated field. */
function fieldsOf(bytes: Buffer, start: number, end: number, each: (field: number, text: string, number: number) => void): void {
  nested.open(bytes, start, end)
  while (nested.at < end) {
    const tag = nested.tag()
    if ((tag & 7) === bytesType) {
      nested.span()
      each(tag >>> 3, nested.text(nested.start, nested.end), 0)
    } else if ((tag & 7) === varintType) each(tag >>> 3, '', nested.varint())
    else nested.skip(tag)
  }
  nested.close(end)
}

export function readText(bytes: Buffer, start: number, end: number): Texts {
  return new Texts([bytes.toString('utf8', start, end)])
}

export function readEndpoint(bytes: Buffer, start: number, end: number): Texts {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let identity = 0
  let namespace = ''
  let pod = ''
  let cluster = ''
  const labels: string[] = []
  const workload = { name: '', kind: '', seen: false }
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 16) identity = cursor.varint()
    else if ((tag & 7) !== bytesType) cursor.skip(tag)
    else {
      cursor.span()
      const field = tag >>> 3
      if (field === 3) namespace = cursor.text(cursor.start, cursor.end)
      else if (field === 4) labels.push(cursor.text(cursor.start, cursor.end))
      else if (field === 5) pod = cursor.text(cursor.start, cursor.end)
      else if (field === 7) cluster = cursor.text(cursor.start, cursor.end)
      else if (field === 6 && !workload.seen) {
        workload.seen = true
        fieldsOf(bytes, cursor.start, cursor.end, (part, text) => {
          if (part === 1) workload.name = text
          else if (part === 2) workload.kind = text
        })
      }
    }
  }
  cursor.close(end)
  cluster ||= labelled(labels, 'io.cilium.k8s.policy.cluster')
  const account = labelled(labels, 'io.cilium.k8s.policy.serviceaccount')
  return new Texts([pod, cluster, namespace, workload.name, workload.kind, account, entityOf(labels, identity)], identity)
}

/** The value of a label, whatever source it is from: `k8s:key=value`. */
export function labelled(labels: readonly string[], key: string): string {
  for (const label of labels) {
    const at = label.indexOf(key + '=')
    if (at === 0 || (at > 0 && label[at - 1] === ':')) return label.slice(at + key.length + 1)
  }
  return ''
}

/** The most specific of the reserved labels; without one, what the reserved identity means. */
export function entityOf(labels: readonly string[], identity: number): string {
  const reserved = labels.filter(label => label.startsWith('reserved:')).map(label => label.slice('reserved:'.length))
  if (reserved.length === 0) return identity > 0 ? (reservedIdentities[identity] ?? '') : ''
  const specific = (entity: string) => (entities as readonly string[]).indexOf(entity) + 1 || entities.length + 1
  return reserved.reduce((best, entity) => (specific(entity) > specific(best) ? entity : best))
}

/** namespace/name, or the name alone. */
export function readService(bytes: Buffer, start: number, end: number): Texts {
  let name = ''
  let namespace = ''
  fieldsOf(bytes, start, end, (field, text) => {
    if (field === 1) name = text
    else if (field === 2) namespace = text
  })
  return new Texts([namespace ? `${namespace}/${name}` : name])
}

/** Kind, namespace, name, who says so, and the first three as kind/namespace/name; its number is the revision. */
export function readPolicy(bytes: Buffer, start: number, end: number): Texts {
  let [name, namespace, kind] = ['', '', '']
  let revision = 0
  const labels: string[] = []
  fieldsOf(bytes, start, end, (field, text, number) => {
    if (field === 1) name = text
    else if (field === 2) namespace = text
    else if (field === 3) labels.push(text)
    else if (field === 4) revision = number
    else if (field === 5) kind = text
  })
  kind ||= labelled(labels, 'io.cilium.k8s.policy.derived-from')
  return new Texts([kind, namespace, name, 'dataplane', `${kind}/${namespace}/${name}`], revision)
}

export function readInterface(bytes: Buffer, start: number, end: number): Texts {
  let name = ''
  let number = 0
  fieldsOf(bytes, start, end, (field, text, value) => {
    if (field === 1) number = value
    else if (field === 2) name = text
  })
  return new Texts([name || (number ? String(number) : '')])
}

/** file:line. */
export function readDropSite(bytes: Buffer, start: number, end: number): Texts {
  let name = ''
  let line = 0
  fieldsOf(bytes, start, end, (field, text, number) => {
    if (field === 1) name = text
    else if (field === 2) line = number
  })
  return new Texts([line ? `${name}:${line}` : name])
}
