import test from 'ava'
import fc from 'fast-check'
import { podOf } from '../../../../enricher/identity/pod.ts'
import { type TemplateFacts, UnsupportedTemplate, readTemplate } from '../../../../enricher/identity/template/template.ts'

const pod = podOf({
  kind: 'pod',
  namespace: 'shop',
  name: 'cart-1',
  uid: 'u-1',
  node: 'node-1',
  service_account: 'cart',
  labels: ['app=basket', 'app.kubernetes.io/name=cart', 'tier=gold'],
})
const labels = new Map(Object.entries({ pool: 'gold' }))
const facts: TemplateFacts = {
  trustDomain: 'example.org',
  clusterName: 'east',
  clusterDomain: 'cluster.local',
  pod,
  node: { name: 'node-1', uid: 'n-1', labels, providerId: 'aws:///i-1', podCidr: '10.244.0.0/24' },
}

/** As text/template of Go 1.26 fills them in. */
const filled: Record<string, [template: string, expected: string]> = {
  'what nearly everybody has': [
    'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
    'spiffe://example.org/ns/shop/sa/cart',
  ],
  'without spaces': ['spiffe://{{.TrustDomain}}/{{.PodMeta.Name}}', 'spiffe://example.org/cart-1'],
  'the cluster': ['{{ .ClusterName }}.{{ .ClusterDomain }}', 'east.cluster.local'],
  'the UID': ['/{{ .PodMeta.UID }}', '/u-1'],
  'a label by index': ['/{{ index .PodMeta.Labels "app.kubernetes.io/name" }}', '/cart'],
  'a label by index, raw text': ['/{{ index .PodMeta.Labels `app` }}', '/basket'],
  'a label as a field': ['/{{ .PodMeta.Labels.tier }}', '/gold'],
  'within brackets': ['/{{ (index .PodMeta.Labels "app") }}', '/basket'],
  'the node': [
    '/{{ .NodeMeta.Name }}/{{ .PodSpec.NodeName }}/{{ .NodeMeta.UID }}/{{ index .NodeMeta.Labels "pool" }}',
    '/node-1/node-1/n-1/gold',
  ],
  'what the provider calls the node': ['{{ .NodeSpec.ProviderID }} {{ .NodeSpec.PodCIDR }}', 'aws:///i-1 10.244.0.0/24'],
  'trimmed on both sides': ['a  {{- .PodMeta.Name -}}  b', 'acart-1b'],
  'trimmed lines': ['a\n  {{- .PodMeta.Name }}\n{{- "" -}}\n  b', 'acart-1b'],
  'a comment is nothing': ['a{{/* of the team */}}b', 'ab'],
  'a comment that trims': ['a {{- /* of the team */ -}} b', 'ab'],
  'no action at all': ['spiffe://example.org/all', 'spiffe://example.org/all'],
  'a label the pod does not have is empty': ['/{{ index .PodMeta.Labels "team" }}', '/'],
  'as a field it says so': ['/{{ .PodMeta.Labels.team }}', '/<no value>'],
  'one of the two that is not empty': [
    '/{{ or .PodMeta.Labels.team "none" }}/{{ or (index .PodMeta.Labels "app") "none" }}',
    '/none/basket',
  ],
  'a condition': ['{{ if .PodMeta.Labels.tier }}/tier/{{ .PodMeta.Labels.tier }}{{ end }}', '/tier/gold'],
  'its other side': ['{{ if .PodMeta.Labels.team }}/a{{ else }}/b{{ end }}', '/b'],
  'one of several': ['{{ if eq .PodMeta.Namespace "a" "b" }}1{{ else if eq .PodMeta.Namespace "c" "shop" }}2{{ else }}3{{ end }}', '2'],
  'within each other': ['{{ if true }}{{ if not .PodSpec.HostNetwork }}in{{ end }}{{ end }}', 'in'],
  'what goes with both': ['{{ if and .PodMeta.Labels.tier (ne .PodMeta.Name "x") }}yes{{ end }}', 'yes'],
  printf: ['/{{ printf "%s-%v-%d%%" .PodMeta.Namespace .PodMeta.Name 7 }}', '/shop-cart-1-7%'],
  print: ['{{ print .PodMeta.Name 1 2 true }}', 'cart-11 2 true'],
  'a pipeline': ['{{ .PodMeta.Name | printf "%s/%s" .PodMeta.Namespace }}', 'shop/cart-1'],
  'parts of a text': ['{{ slice .PodMeta.Name 0 4 }}{{ slice .PodMeta.Name 5 }}', 'cart1'],
  'lengths and their comparison': ['{{ len .PodMeta.Name }}{{ if gt (len .PodMeta.Labels) 2 }} many{{ end }}', '6 many'],
  'brackets in a text end nothing': ['{{ print "}}" `{{` }}', '}}{{'],
  'the whole by its name': ['{{ $.PodMeta.Name }}', 'cart-1'],
  'nothing where it fails: a part that is not there': ['/{{ slice .PodMeta.Name 0 40 }}', ''],
  'nothing where it fails: what cannot be compared': ['/{{ if eq .PodMeta.Name 1 }}a{{ end }}', ''],
}

for (const [title, [template, expected]] of Object.entries(filled))
  test(`templates: ${title}`, t => t.is(readTemplate(template)(facts), expected))

test('templates: what has something in it that is not known is not filled in', t => {
  const alone = { pod }
  for (const template of [
    '{{ .TrustDomain }}',
    '{{ .NodeMeta.UID }}',
    '{{ index .NodeMeta.Labels "pool" }}',
    '{{ .NodeMeta.Labels.pool }}',
  ])
    t.is(readTemplate(template)(alone), undefined)
  t.is(readTemplate('{{ if .NodeMeta.UID }}a{{ end }}')(alone), undefined)
  t.is(readTemplate('{{ or .PodMeta.Name .TrustDomain }}')(alone), 'cart-1')
})

const refused: Record<string, [template: string, reason: RegExp]> = {
  annotations: ['/{{ index .PodMeta.Annotations "team" }}', /^\.PodMeta\.Annotations$/],
  'functions of Sprig, with which spire-controller-manager refuses it': ['/{{ .PodMeta.Name | lower }}', /^the function lower, which/],
  default: ['/{{ .PodMeta.Labels.team | default "none" }}', /^the function default, which/],
  variables: ['{{ $x := .PodMeta.Name }}/{{ $x }}', /\$x/],
  loops: ['{{ range .PodMeta.Labels }}a{{ end }}', /^range$/],
  with: ['{{ with .PodMeta.Labels.a }}b{{ end }}', /^with$/],
  'a field of nothing': ['/{{ .PodMeta.constructor }}', /constructor/],
  'an action that does not end': ['/{{ .PodMeta.Name', /does not end/],
  'an if that does not end': ['{{ if true }}a', /does not end/],
  'an end of nothing': ['a{{ end }}', /^end$/],
  'an empty action': ['{{ }}', /without a value/],
  'a field of another map': ['/{{ .NodeSpec.Labels.a }}', /\.NodeSpec\.Labels/],
  'a field with arguments': ['{{ .PodMeta.Name "x" }}', /called like a function/],
  'a width that may be huge': ['{{ printf "%1000000000s" .PodMeta.Name }}', /^printf with any verb/],
  'brackets without end': ['{{ (index .PodMeta.Labels "a" }}', /not closed/],
  'brackets deeper than anybody needs': [`{{ ${'('.repeat(1000)}1${')'.repeat(1000)} }}`, /deep/],
  'ifs deeper than anybody needs': [`${'{{if true}}'.repeat(100)}${'{{end}}'.repeat(100)}`, /deep/],
  'a text longer than anybody needs': ['a'.repeat(100_000), /characters/],
  'the wrong number of arguments': ['{{ index .PodMeta.Labels }}', /^index with 1 arguments$/],
}

for (const [title, [template, message]] of Object.entries(refused))
  test(`templates: ${title} is refused, never guessed`, t => {
    t.throws(() => readTemplate(template), { instanceOf: UnsupportedTemplate, message })
  })

const words = [
  '{{',
  '}}',
  '{{-',
  ' -}}',
  '.PodMeta.Name',
  'index .PodMeta.Labels "app"',
  '"',
  '`',
  '/*',
  '*/',
  '(',
  ')',
  '|',
  'printf "%s"',
]
const blocks = ['{{if true}}', '{{else}}', '{{else if .PodMeta.Name}}', '{{end}}', '{{ or "" 1 }}', '{{/* c */}}']

test('templates: whatever is read is filled in or refused, and soon', t => {
  const piece = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...words, ...blocks))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 200 }), (pieces, times) => {
      const template = pieces.join('').repeat(times)
      const begun = performance.now()
      try {
        const text = readTemplate(template)(facts)
        t.true(text === undefined || typeof text === 'string')
        t.true((text ?? '').length <= 20 * template.length)
      } catch (error) {
        t.true(error instanceof UnsupportedTemplate, String(error))
      }
      t.true(performance.now() - begun < 1000)
    }),
    { numRuns: 1000 },
  )
})

for (const part of ['{{"', '{{/*', '{{ "a" ', '{{- - ', '{{ ((', ' ', '{{ `', '}', '{{/* */ '])
  test(`templates: ${JSON.stringify(part)} again and again takes no longer than anything else`, t => {
    const begun = performance.now()
    t.throws(() => readTemplate(`${part.repeat(16_384 / part.length)}{{`), { instanceOf: UnsupportedTemplate })
    t.true(performance.now() - begun < 250)
  })
