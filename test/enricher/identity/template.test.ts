import test from 'ava'
import fc from 'fast-check'
import { podOf } from '../../../enricher/identity/pod.ts'
import { UnsupportedTemplate, readTemplate } from '../../../enricher/identity/template.ts'

const pod = podOf({
  kind: 'pod',
  namespace: 'shop',
  name: 'cart-1',
  uid: 'u-1',
  node: 'node-1',
  service_account: 'cart',
  labels: ['app=basket', 'app.kubernetes.io/name=cart', 'tier=gold'],
})
const facts = { trustDomain: 'example.org', pod, node: { name: 'node-1', uid: 'n-1', labels: new Map([['pool', 'gold']]) } }

const filled: Record<string, [template: string, expected: string | undefined]> = {
  'what nearly everybody has': [
    'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
    'spiffe://example.org/ns/shop/sa/cart',
  ],
  'without spaces': ['spiffe://{{.TrustDomain}}/{{.PodMeta.Name}}', 'spiffe://example.org/cart-1'],
  'the UID': ['/{{ .PodMeta.UID }}', '/u-1'],
  'a label by index': ['/{{ index .PodMeta.Labels "app.kubernetes.io/name" }}', '/cart'],
  'a label by index, raw text': ['/{{ index .PodMeta.Labels `app` }}', '/basket'],
  'a label as a field': ['/{{ .PodMeta.Labels.tier }}', '/gold'],
  'within brackets': ['/{{ (index .PodMeta.Labels "app") }}', '/basket'],
  'the node': [
    '/{{ .NodeMeta.Name }}/{{ .PodSpec.NodeName }}/{{ .NodeMeta.UID }}/{{ index .NodeMeta.Labels "pool" }}',
    '/node-1/node-1/n-1/gold',
  ],
  'trimmed on both sides': ['a  {{- .PodMeta.Name -}}  b', 'acart-1b'],
  'a comment is nothing': ['a{{/* of the team */}}b', 'ab'],
  'no action at all': ['spiffe://example.org/all', 'spiffe://example.org/all'],
  'a label the pod does not have gives no ID': ['/{{ index .PodMeta.Labels "team" }}', undefined],
  'nor one as a field': ['/{{ .PodMeta.Labels.team }}', undefined],
}

for (const [title, [template, expected]] of Object.entries(filled))
  test(`templates: ${title}`, t => t.is(readTemplate(template)(facts), expected))

const refused: Record<string, string> = {
  'the name of the cluster, which we do not know': '/{{ .ClusterName }}',
  annotations: '/{{ index .PodMeta.Annotations "team" }}',
  conditions: '{{ if .PodMeta.Labels.a }}/a{{ else }}/b{{ end }}',
  pipelines: '/{{ .PodMeta.Name | lower }}',
  functions: '/{{ printf "%s" .PodMeta.Name }}',
  variables: '{{ $x := .PodMeta.Name }}/{{ $x }}',
  'a field of nothing': '/{{ .PodMeta.constructor }}',
  'an action that does not end': '/{{ .PodMeta.Name',
  'a field of another map': '/{{ .NodeSpec.Labels.a }}',
}

for (const [title, template] of Object.entries(refused))
  test(`templates: ${title} is refused, never guessed`, t => {
    t.throws(() => readTemplate(template), { instanceOf: UnsupportedTemplate })
  })

test('templates: whatever is read is filled in or refused', t => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('{{', '}}', '{{-', '-}}', '.PodMeta.Name', 'index .PodMeta.Labels "app"', '"', '`', '/*', '*/'),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), pieces => {
      try {
        const text = readTemplate(pieces.join(''))(facts)
        t.true(text === undefined || typeof text === 'string')
      } catch (error) {
        t.true(error instanceof UnsupportedTemplate, String(error))
      }
    }),
    { numRuns: 500 },
  )
})
