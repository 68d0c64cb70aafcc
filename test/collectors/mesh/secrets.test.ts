import test from 'ava'
import fc from 'fast-check'
import { withoutSecrets, withoutUser } from '../../../collectors/mesh/secrets.ts'

const paths: Record<string, string> = {
  '/cart': '/cart',
  '/cart?id=1&page=2': '/cart?id=1&page=2',
  '/login?token=abc': '/login?token=***',
  '/login?a=1&access_token=abc&b=2': '/login?a=1&access_token=***&b=2',
  '/x?PASSWORD=p%20w#part': '/x?PASSWORD=***#part',
  '/x?X-Amz-Signature=12&y=1': '/x?X-Amz-Signature=***&y=1',
  '/token=abc': '/token=abc',
  '/x?mytoken=abc': '/x?mytoken=abc',
}

for (const [path, kept] of Object.entries(paths)) test(`of ${path} is kept ${kept}`, t => t.is(withoutSecrets(path), kept))

test('whatever else is in a path, the value of a secret parameter is not kept', t => {
  const part = fc.string({ unit: fc.constantFrom('a', 'b', '/', '=', '&', '?', '%') })
  fc.assert(
    fc.property(part, part, (before, after) => {
      t.false(withoutSecrets(`/${before}?password=swordfish&${after}`).includes('swordfish'))
    }),
  )
})

test('an authority is kept without user and password', t => {
  t.is(withoutUser('user:pass@shop.example:8080'), 'shop.example:8080')
  t.is(withoutUser('shop.example'), 'shop.example')
})
