import type { Labels } from '../pod.ts'

/** What Go has where a map lacks a key that is named as a field. */
export const missing = Symbol('no value')
/** The template cannot be filled in: whoever does it gets an error. */
export const failed = Symbol('failed')

/** A value of a template; undefined where weir does not know it. */
export type Value = string | number | boolean | Labels | typeof missing | typeof failed | undefined

/** Whether `if` takes it for true (text/template, Actions). */
export function isTrue(value: Exclude<Value, undefined>): boolean {
  if (value === missing) return false
  return typeof value === 'object' ? value.size > 0 : Boolean(value)
}

/** As an action that is nothing but the value writes it. */
export function written(value: Value): string | typeof failed | undefined {
  if (value === missing) return '<no value>'
  return value === undefined || value === failed || typeof value === 'string'
    ? value
    : typeof value === 'object'
      ? undefined
      : String(value)
}
