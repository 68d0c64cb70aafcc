import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyOrder, { type ExecutionContext } from 'ava'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { build } from 'vite'
import { openChromium } from '../helpers/chromium.ts'
import { openFixtureApi } from '../helpers/fixture-api.ts'

/** One page after the other: each has the machine for itself. */
const test = anyOrder.serial

let url: string
let closing: (() => PromiseLike<unknown>)[] = []
let launched: Promise<Browser | undefined> | undefined

test.before('build the app', async () => {
  const files = await mkdtemp(join(tmpdir(), 'weir-web-'))
  await build({ root: 'dashboards/web', logLevel: 'error', build: { outDir: files, emptyOutDir: true } })
  const api = await openFixtureApi({ files })
  url = api.url
  closing = [() => api[Symbol.asyncDispose](), () => rm(files, { recursive: true })]
})

test.after.always(async () => {
  await (await launched)?.close()
  for (const close of closing) await close()
})

interface Visit {
  page: Page
  /** Errors the browser told of, and requests to other hosts. */
  complaints: string[]
}

/** Opens an address of the app, has a look at it, and holds the page to its promises. */
async function visit(
  t: ExecutionContext,
  query: string,
  look: (visit: Visit) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  const browser = await (launched ??= openChromium(t))
  if (!browser) {
    t.pass()
    return
  }
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  try {
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', error => complaints.push(String(error)))
    page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
    page.on('request', request => request.url().startsWith(url) || /^(data|blob):/.test(request.url()) || complaints.push(request.url()))
    await page.goto(url + query)
    await look({ page, complaints })
    t.deepEqual(complaints, [])
  } finally {
    await context.close()
  }
}

const sees = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor({ timeout: 10_000 })

const contents: Readonly<Record<string, string>> = {
  map: '.node',
  signals: 'section[aria-label="Workloads"] tbody tr',
  denials: 'section[aria-label="Denials"] tbody tr',
  identity: 'section[aria-label="Drift"] tbody tr',
  flows: '.flow-card tbody tr',
  explore: '.chart svg',
  quality: 'section[aria-label="Attribution"] tbody tr',
}

for (const [name, selector] of Object.entries(contents)) {
  test(`${name} shows what it is for, without errors and without asking another host`, async t => {
    await visit(t, `?page=${name}`, async ({ page }) => {
      await page.locator(selector).first().waitFor()
      t.true((await page.locator(selector).count()) > 0)
    })
  })

  test(`${name} fits on a phone`, async t => {
    const phone = { viewport: { width: 390, height: 844 }, colorScheme: 'dark' as const }
    await visit(
      t,
      `?page=${name}`,
      async ({ page }) => {
        await page.locator(selector).first().waitFor()
        t.true(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      },
      phone,
    )
  })
}

test('the bad deploy and the sudden denial stand out, and a click shows which policy it was', async t => {
  await visit(t, '', async ({ page }) => {
    const strip = page.getByRole('region', { name: 'What stands out' })
    await strip.waitFor()
    const words = await strip.innerText()
    t.regex(words, /checkout → payment/)
    t.regex(words, /checkout → fraud/)
    await strip.getByRole('button', { name: /checkout → fraud/ }).click()
    await page.getByRole('complementary', { name: 'Selection' }).getByText('CiliumNetworkPolicy / payments / restrict-fraud').waitFor()
    t.regex(page.url(), /select=/)
    await page.goBack()
    await page.getByRole('complementary', { name: 'Selection' }).waitFor({ state: 'detached' })
    t.notRegex(page.url(), /select=/)
  })
})

test('identities say when nothing is wrong, and when a filter cannot be asked', async t => {
  await visit(t, `?page=identity&where=${encodeURIComponent("dst_workload = 'nobody'")}`, ({ page }) =>
    sees(page, 'No identity was checked'),
  )
  const browser = await (launched ??= openChromium(t))
  if (!browser) return
  const page = await browser.newPage()
  await page.goto(`${url}?page=identity&where=${encodeURIComponent('nonsense = 1')}`)
  await page.getByRole('alert').first().waitFor()
  await page.close()
})

test('a mistaken identity leads to the newest record that tells of it', async t => {
  await visit(t, '?page=identity', async ({ page }) => {
    await page.locator('section[aria-label="Drift"] tbody tr', { hasText: 'belongs to another' }).click({ position: { x: 5, y: 5 } })
    await page.waitForURL(/page=flows/)
    t.regex(page.url(), /select=\w/)
    t.regex(decodeURIComponent(page.url()).replaceAll('+', ' '), /src_identity_check = 'differs' OR dst_identity_check = 'differs'/)
  })
})

test('an address shows to another what it was copied from', async t => {
  const address = `?page=map&level=namespace&select=${encodeURIComponent('shop/payments')}`
  await visit(t, address, async ({ page }) => {
    await page.getByRole('complementary', { name: 'Selection' }).getByRole('heading', { name: 'payments', exact: true }).waitFor()
    t.is(await page.getByRole('button', { name: 'Namespaces' }).getAttribute('aria-pressed'), 'true')
  })
})

test('the keyboard goes everywhere', async t => {
  await visit(t, '', async ({ page }) => {
    await page.locator('.node').first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('fraud')
    await page.locator('.node.found').waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('complementary', { name: 'Selection' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await page.getByRole('complementary', { name: 'Selection' }).waitFor({ state: 'detached' })
    await page.locator('.node[data-id$="checkout"]').focus()
    await page.keyboard.press('ArrowRight')
    t.not(await page.evaluate(() => document.activeElement?.getAttribute('data-id')), 'shop/shop/checkout')
    await page.keyboard.press('Enter')
    await page.getByRole('complementary', { name: 'Selection' }).waitFor()
    for (const [key, name] of Object.entries({ s: 'signals', d: 'denials', i: 'identity', f: 'flows', e: 'explore', m: 'map' })) {
      await page.keyboard.press('g')
      await page.keyboard.press(key)
      await page.waitForFunction(page => (new URLSearchParams(location.search).get('page') ?? 'map') === page, name)
    }
    await page.keyboard.press('?')
    await sees(page, 'Keyboard and filter')
    t.pass()
  })
})

test('a mistake in the filter is underlined where the server says, in its words', async t => {
  await visit(t, '?page=flows', async ({ page, complaints }) => {
    await page.locator('#filter').fill("verdict = dropped AND src_namespase = 'shop'")
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.locator('.filter-mirror u').waitFor()
    t.is(await page.locator('.filter-mirror u').innerText(), 'src_namespase')
    await sees(page, /did you mean src_namespace/)
    complaints.splice(0, complaints.length, ...complaints.filter(text => !text.includes('400')))
  })
})

test('the filter is completed while it is typed', async t => {
  await visit(t, '', async ({ page }) => {
    await page.locator('#filter').focus()
    await page.keyboard.type('verd')
    await page.getByRole('option', { name: /verdict/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.keyboard.type('= drop')
    await page.getByRole('option', { name: /dropped/ }).waitFor()
    await page.keyboard.press('Enter')
    t.regex(await page.locator('#filter').inputValue(), /^verdict = ?dropped/)
  })
})

test('a value that is clicked narrows the filter, and a row shows all of a record', async t => {
  await visit(t, '?page=flows', async ({ page }) => {
    await page.locator('tbody td').first().click()
    await page.getByRole('complementary', { name: 'Record' }).getByText('attribution_reason').first().waitFor()
    await page.waitForFunction(() => new URLSearchParams(location.search).has('select'))
    await page.keyboard.press('Escape')
    await page.getByRole('complementary', { name: 'Record' }).waitFor({ state: 'detached' })
    await page.locator('tbody').getByRole('button', { name: 'restrict-fraud' }).first().click()
    await page.waitForFunction(() => new URLSearchParams(location.search).get('where') === "policy_name = 'restrict-fraud'")
    t.pass()
  })
})

test('a record shows what else speaks of its exchange and how that is known, and each leads on', async t => {
  await visit(t, `?page=flows&where=${encodeURIComponent("dst_workload = 'cart'")}`, async ({ page }) => {
    await page.locator('tbody tr').first().focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    const record = page.getByRole('complementary', { name: 'Record' })
    await record.getByRole('button', { name: 'Related' }).click()
    const related = record.getByRole('region', { name: 'Related records' })
    await related.getByText('parent or child').waitFor()
    t.deepEqual(await related.locator('li .related-line:first-child .chip').allInnerTexts(), ['flow', 'span', 'request', 'request'])
    await related.getByRole('button').first().focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await record.getByRole('heading', { name: /span · / }).waitFor()
    t.is(await page.getByRole('button', { name: 'Spans' }).getAttribute('aria-pressed'), 'true')
    await page.reload()
    await record.getByRole('button', { name: 'Record', exact: true }).click()
    await record.getByRole('button', { name: '/orders/{id}', exact: true }).click()
    await page.waitForFunction(() =>
      new URLSearchParams(location.search).get('where')?.includes("attributes['http.route'] = '/orders/{id}'"),
    )
    await page.goBack()
    await page.goBack()
    await related.getByText('parent or child').waitFor()
    t.is(await page.getByRole('button', { name: 'Flows' }).getAttribute('aria-pressed'), 'true')
  })
})

test('a record that nothing else speaks of says so; related records that cannot be asked for say why', async t => {
  await visit(t, `?page=flows&panel=related&where=${encodeURIComponent("policy_name = 'restrict-fraud'")}`, async ({ page }) => {
    await page.locator('tbody td').first().click()
    await sees(page, 'Nothing else speaks of this exchange')
    t.pass()
  })
  await visit(t, '?page=flows&panel=related', async ({ page, complaints }) => {
    await page.route('**/related*', route =>
      route.fulfill({ status: 503, json: { error: { code: 'unavailable', message: 'ClickHouse can not answer now' } } }),
    )
    await page.locator('tbody td').first().click()
    await sees(page, 'ClickHouse can not answer now')
    await page.unroute('**/related*')
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('complementary', { name: 'Record' }).getByRole('heading').first().waitFor()
    complaints.splice(0, complaints.length, ...complaints.filter(text => !text.includes('503')))
  })
})

for (const kind of ['request', 'span'])
  test(`records of kind ${kind} have their table`, async t => {
    await visit(t, `?page=flows&kind=${kind}`, async ({ page }) => {
      await page.locator('.flow-card tbody tr').first().waitFor()
      t.true((await page.locator('.flow-card thead').innerText()).includes(kind === 'span' ? 'Operation' : 'Status'))
    })
  })

test('the live tail shows records as they come, and stands still when it is paused', async t => {
  await visit(t, '?page=flows&live=1', async ({ page }) => {
    await page.locator('tbody tr').first().waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    const before = await page.locator('tbody').innerText()
    await page.waitForTimeout(900)
    t.is(await page.locator('tbody').innerText(), before)
  })
})

test('every chart can be read as a table', async t => {
  await visit(t, '?page=signals', async ({ page }) => {
    await page.getByRole('button', { name: 'Show Latency as a table' }).click()
    await page.getByRole('region', { name: 'Latency' }).getByRole('columnheader', { name: 'latency_p95' }).waitFor()
    t.pass()
  })
})

test('no data says so and offers a wider range; a server that fails says so and is asked again', async t => {
  await visit(t, '?page=signals&from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z', async ({ page }) => {
    await sees(page, /^No workloads in/)
    await page.getByRole('button', { name: /^Look at/ }).waitFor()
  })
  await visit(t, '?page=quality', async ({ page, complaints }) => {
    await page.route('**/api/v1/signals*', route =>
      route.fulfill({ status: 503, json: { error: { code: 'unavailable', message: 'ClickHouse can not answer now' } } }),
    )
    await page.getByRole('link', { name: 'Signals', exact: true }).click()
    await sees(page, /ClickHouse can not answer now/)
    await page.unroute('**/api/v1/signals*')
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.locator('section[aria-label="Workloads"] tbody tr').first().waitFor()
    complaints.splice(0, complaints.length, ...complaints.filter(text => !text.includes('503')))
  })
})

test('where nothing was ever seen the map says how to connect Hubble', async t => {
  await visit(t, '?page=quality', async ({ page }) => {
    const meta = { partial: [] }
    await page.route('**/api/v1/topology*', route => route.fulfill({ json: { nodes: [], edges: [], meta } }))
    await page.route('**/api/v1/query', route =>
      route.fulfill({ json: { columns: [{ name: 'records', type: 'number' }], rows: [[0]], meta } }),
    )
    await page.getByRole('link', { name: 'Map', exact: true }).click()
    await sees(page, /No source has sent anything yet/)
    await sees(page, /WEIR_HUBBLE_ADDRESS/)
    t.pass()
  })
})
