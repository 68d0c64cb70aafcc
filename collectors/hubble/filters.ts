import protobuf from 'protobufjs'
import { loadObserverProto } from './proto.ts'

/** A filter as in Hubble's own allow lists: {"source_pod": ["shop/"], "verdict": ["DROPPED"]}. */
export type FlowFilter = Readonly<Record<string, unknown>>

const integers = new Set(['uint32', 'int32', 'uint64'])

/** JSON Schema of a FlowFilter, out of Hubble's own definition of it. */
export function filterSchema(): object {
  return messageSchema(loadObserverProto().lookupType('flow.FlowFilter'))
}

function messageSchema(type: protobuf.Type): object {
  const properties = Object.fromEntries(
    type.fieldsArray.map(field => [field.name, field.repeated ? { type: 'array', items: valueSchema(field) } : valueSchema(field)]),
  )
  return { type: 'object', additionalProperties: false, minProperties: 1, properties }
}

function valueSchema(field: protobuf.Field): object {
  const { resolvedType } = field.resolve()
  if (resolvedType instanceof protobuf.Enum) return { enum: Object.keys(resolvedType.values) }
  if (resolvedType instanceof protobuf.Type) return messageSchema(resolvedType)
  if (field.type === 'bool') return { type: 'boolean' }
  return integers.has(field.type) ? { type: 'integer', minimum: field.type === 'int32' ? undefined : 0 } : { type: 'string' }
}
