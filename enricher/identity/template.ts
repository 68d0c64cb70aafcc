import type { Labels, Pod } from './pod.ts'

/** What a template of a ClusterSPIFFEID is filled in with. */
export interface TemplateFacts {
  trustDomain?: string
  pod: Pod
  /** Of the pod's node, where it is known. */
  node?: { name: string; uid: string; labels: Labels }
}

type Part = string | ((facts: TemplateFacts) => string | undefined)

/** A template that uses what is not supported: of Go's language, or of what weir does not know. */
export class UnsupportedTemplate extends Error {
  override name = 'UnsupportedTemplate'
}

/** Fills in a template; undefined where a pod lacks what it names. */
export type Template = (facts: TemplateFacts) => string | undefined

const action = /\{\{(-?)((?:[^"`}]|"(?:[^"\\]|\\.)*"|`[^`]*`|\}(?!\}))*?)(-?)\}\}/g

/**
 * Reads a template of Go as far as templates of ClusterSPIFFEID use them: text, fields of the pod and its node, `index` into labels, comments,
 * and the marks that trim spaces. Throws UnsupportedTemplate for all else: what is not understood is not guessed.
 */
export function readTemplate(text: string): Template {
  const parts: Part[] = []
  let at = 0
  let trimmed = false
  const addText = (until: number, trimEnd: boolean) => {
    let between = text.slice(at, until)
    if (trimmed) between = between.trimStart()
    if (trimEnd) between = between.trimEnd()
    if (between.includes('{{')) throw new UnsupportedTemplate(`an action that does not end: ${between.slice(0, 80)}`)
    parts.push(between)
  }
  for (const found of text.matchAll(action)) {
    addText(found.index, found[1] === '-')
    parts.push(readAction(found[2].trim()))
    at = found.index + found[0].length
    trimmed = found[3] === '-'
  }
  addText(text.length, false)
  return facts => fillIn(parts, facts)
}

function fillIn(parts: readonly Part[], facts: TemplateFacts): string | undefined {
  let text = ''
  for (const part of parts) {
    const value = typeof part === 'string' ? part : part(facts)
    if (value === undefined) return undefined
    text += value
  }
  return text
}

function readAction(text: string): Part {
  if (/^\/\*.*\*\/$/s.test(text)) return ''
  const [, inner = text] = /^\((.*)\)$/s.exec(text) ?? []
  const [, path, double, raw] = /^index\s+(\.[\w.]+)\s+(?:("(?:[^"\\]|\\.)*")|`([^`]*)`)$/.exec(inner.trim()) ?? []
  if (path) return labelAt(path, double === undefined ? raw : unquoted(double))
  return fieldAt(inner.trim())
}

/** Go's escapes are JSON's but for a few that no label has. */
function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string
  } catch {
    throw new UnsupportedTemplate(`the text ${text}`)
  }
}

const maps: Readonly<Record<string, (facts: TemplateFacts) => Labels | undefined>> = {
  '.PodMeta.Labels': ({ pod }) => pod.labels,
  '.NodeMeta.Labels': ({ node }) => node?.labels,
}

const fields: Readonly<Record<string, (facts: TemplateFacts) => string | undefined>> = {
  '.TrustDomain': ({ trustDomain }) => trustDomain,
  '.PodMeta.Name': ({ pod }) => pod.name,
  '.PodMeta.Namespace': ({ pod }) => pod.namespace,
  '.PodMeta.UID': ({ pod }) => pod.uid,
  '.PodSpec.ServiceAccountName': ({ pod }) => pod.serviceAccount,
  '.PodSpec.NodeName': ({ pod }) => pod.node,
  '.NodeMeta.Name': ({ pod }) => pod.node,
  '.NodeMeta.UID': ({ node }) => node?.uid,
}

function labelAt(path: string, key: string): Part {
  if (!Object.hasOwn(maps, path)) throw new UnsupportedTemplate(`index ${path}`)
  return facts => maps[path](facts)?.get(key)
}

function fieldAt(path: string): Part {
  if (Object.hasOwn(fields, path)) return fields[path]
  const [, map, key] = /^(\.\w+\.Labels)\.(\w+)$/.exec(path) ?? []
  if (map) return labelAt(map, key)
  throw new UnsupportedTemplate(path.slice(0, 80))
}
