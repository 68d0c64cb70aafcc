import { readFile } from 'node:fs/promises'
import test from 'ava'
import { parseAllDocuments } from 'yaml'
import { groupOf, resources } from '../../../collectors/kubernetes/resource.ts'

interface Manifest {
  kind: string
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[]
}

test('the rights in deploy/kubernetes/rbac.yaml are for exactly what is followed, and for reading alone', async t => {
  const documents = parseAllDocuments(await readFile('deploy/kubernetes/rbac.yaml', 'utf8')).map(each => each.toJS() as Manifest)
  const rules = documents.flatMap(({ kind, rules = [] }) => (kind === 'ClusterRole' ? rules : []))
  const given = rules.flatMap(({ apiGroups, resources }) => apiGroups.flatMap(group => resources.map(plural => `${plural}.${group}`)))
  const followed = resources.flatMap(({ plural, apiVersions }) => apiVersions.map(version => `${plural}.${groupOf(version)}`))
  const besides = resources.flatMap(({ besides = [] }) => besides)
  t.deepEqual(given.sort(), [...new Set([...followed, ...besides])].sort())
  for (const { verbs } of rules) t.deepEqual(verbs, ['get', 'list', 'watch'])
})
