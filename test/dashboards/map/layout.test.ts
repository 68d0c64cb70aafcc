import test from 'ava'
import fc from 'fast-check'
import { lanesOf } from '../../../dashboards/web/map/lane.ts'
import { card, layoutOf } from '../../../dashboards/web/map/layout.ts'

const shop = {
  items: [
    'edge/gateway',
    'shop/frontend',
    'shop/cart',
    'shop/checkout',
    'payments/payment',
    'payments/fraud',
    'data/postgres',
    'data/redis',
  ].map(id => ({
    id,
    group: id.split('/')[0]!,
  })),
  links: [
    ['client:world', 'edge/gateway'],
    ['edge/gateway', 'shop/frontend'],
    ['shop/frontend', 'shop/cart'],
    ['shop/frontend', 'shop/checkout'],
    ['shop/checkout', 'payments/payment'],
    ['shop/checkout', 'payments/fraud'],
    ['payments/payment', 'payments/fraud'],
    ['payments/payment', 'data/postgres'],
    ['shop/cart', 'data/redis'],
    ['shop/frontend', 'data/postgres'],
  ].map(([from, to]) => ({ id: `${from}→${to}`, from: from!, to: to! })),
}
const items = [...shop.items, { id: 'client:world', group: '' }]

test('clients stand left of what they call', t => {
  const { nodes } = layoutOf(items, shop.links)
  for (const { from, to } of shop.links) t.true(nodes.get(from)!.x < nodes.get(to)!.x, `${from} → ${to}`)
})

test('the layout does not depend on the order in which the API answers', t => {
  const expected = layoutOf(items, shop.links)
  fc.assert(
    fc.property(
      fc.shuffledSubarray(items, { minLength: items.length }),
      fc.shuffledSubarray(shop.links, { minLength: shop.links.length }),
      (items, links) => {
        const { nodes, boxes } = layoutOf(items, links)
        t.deepEqual(new Map([...nodes].sort()), new Map([...expected.nodes].sort()))
        t.deepEqual(boxes.map(({ name, x, y }) => [name, x, y]).sort(), expected.boxes.map(({ name, x, y }) => [name, x, y]).sort())
      },
    ),
    { numRuns: 30 },
  )
})

const graphs = fc
  .tuple(
    fc.integer({ min: 1, max: 14 }),
    fc.array(fc.tuple(fc.nat(13), fc.nat(13)), { maxLength: 40 }),
    fc.array(fc.nat(3), { minLength: 14, maxLength: 14 }),
  )
  .map(([count, pairs, groups]) => ({
    items: Array.from({ length: count }, (_, at) => ({ id: `n${at}`, group: groups[at] ? `g${groups[at]}` : '' })),
    links: pairs.filter(([a, b]) => a !== b && a < count && b < count).map(([a, b]) => ({ id: `n${a}→n${b}`, from: `n${a}`, to: `n${b}` })),
  }))

test('no two cards overlap, and every card lies in the box of its namespace, whatever calls what', t => {
  fc.assert(
    fc.property(graphs, ({ items, links }) => {
      const { nodes, boxes, width, height } = layoutOf(items, links)
      const placed = [...nodes.values()]
      t.is(placed.length, items.length)
      for (const [at, a] of placed.entries()) {
        t.true(a.x >= 0 && a.y >= 0 && a.x + card.width <= width && a.y + card.height <= height)
        for (const b of placed.slice(at + 1))
          t.true(Math.abs(a.x - b.x) >= card.width || Math.abs(a.y - b.y) >= card.height, `${a.id} ${b.id}`)
        const box = boxes.find(({ name }) => name === items.find(({ id }) => id === a.id)!.group)
        if (box) t.true(a.x >= box.x && a.y >= box.y && a.x + card.width <= box.x + box.width && a.y + card.height <= box.y + box.height)
      }
    }),
    { numRuns: 60 },
  )
})

test('a link that passes columns takes a lane between their cards', t => {
  const layout = layoutOf(items, shop.links)
  const lane = lanesOf(shop.links, layout).get('shop/frontend→data/postgres')!
  for (const { id, x, y } of layout.nodes.values()) {
    if (x >= lane.left && x + card.width <= lane.right) t.false(lane.y > y && lane.y < y + card.height, id)
  }
})
