import test from 'ava'
import { openApi } from '../../../collectors/kubernetes/api.ts'
import { Reflector, type Timing, usualTiming } from '../../../collectors/kubernetes/reflector.ts'
import { type Resource, resources } from '../../../collectors/kubernetes/resource.ts'
import { until } from '../../helpers/wait.ts'
import { type Asked, openFakeApi, sendEvents, sendJson } from './fake-api.ts'
import type http from 'node:http'

const pods = resources.find(({ name }) => name === 'pods')!
const policies = resources.find(({ name }) => name === 'authorizationpolicies.security.istio.io')!

const object = (name: string, version = '1') => ({ metadata: { name, uid: name, resourceVersion: version } })
const list = (version: string, names: string[], token?: string) => ({
  metadata: { resourceVersion: version, continue: token },
  items: names.map(name => object(name)),
})
const tooOld = { kind: 'Status', code: 410, message: 'too old', reason: 'Expired' }

/** A reflector before a made-up API, and what it was told. */
async function reflect(resource: Resource, answer: (asked: Asked, response: http.ServerResponse) => void, timing: Partial<Timing> = {}) {
  const fake = await openFakeApi(answer)
  const stop = new AbortController()
  const api = await openApi({ name: 'c', kubeconfig: fake.kubeconfig, setting: 'collect.kubernetes' })
  const told: string[] = []
  const reflector = new Reflector(resource, {
    api,
    signal: stop.signal,
    timing: { ...usualTiming, firstRetryMs: 20, ...timing },
    onState: () => {},
    reflected: {
      opened: () => {},
      ready: async () => {},
      listing: () => {
        const names: string[] = []
        return { add: ({ metadata }) => names.push(metadata!.name!), end: () => told.push(`list ${names.join(' ')}`.trim()) }
      },
      changed: ({ metadata, apiVersion }) => {
        if (metadata!.name === 'bad') throw new Error('it makes no sense')
        told.push(`${metadata!.name} ${apiVersion}`)
      },
      deleted: ({ metadata }) => told.push(`no ${metadata!.name}`),
      unreadable: ({ metadata }) => told.push(`cannot read ${metadata!.name}`),
    },
  })
  const running = reflector.run()
  const end = async () => {
    stop.abort()
    await running
    api[Symbol.dispose]()
  }
  return {
    fake,
    reflector,
    told,
    end,
    async [Symbol.asyncDispose]() {
      await end()
      await fake[Symbol.asyncDispose]()
    },
  }
}

const isWatch = ({ query }: Asked) => query.has('watch')

test('a list comes in parts, and is begun anew when the server has forgotten where it was', async t => {
  let forgets = true
  await using running = await reflect(pods, (asked, response) => {
    if (isWatch(asked)) return sendEvents(response)
    if (!asked.query.has('continue')) return sendJson(response, list('7', ['a', 'b'], 'more'))
    if (!forgets) return sendJson(response, list('7', ['c']))
    forgets = false
    return sendJson(response, tooOld, 410)
  })
  await until('a watch', () => running.reflector.open)
  t.deepEqual(running.told, ['list a b c'])
  t.is(running.fake.asked.find(isWatch)!.query.get('resourceVersion'), '7')
  t.is(running.fake.asked[0].query.get('limit'), '500')
})

test('where no token is ever good again, the list is asked for in one piece', async t => {
  await using running = await reflect(pods, (asked, response) => {
    if (isWatch(asked)) return sendEvents(response)
    if (!asked.query.has('limit')) return sendJson(response, list('7', ['a', 'b', 'c']))
    return asked.query.has('continue') ? sendJson(response, tooOld, 410) : sendJson(response, list('7', ['a', 'b'], 'more'))
  })
  await until('a watch', () => running.reflector.open)
  t.deepEqual(running.told, ['list a b c'])
})

test('a watch that ends goes on from the last event or bookmark', async t => {
  let watches = 0
  await using running = await reflect(pods, (asked, response) => {
    if (!isWatch(asked)) return sendJson(response, list('7', ['a']))
    if (watches++) return sendEvents(response)
    sendEvents(response, { type: 'ADDED', object: object('b', '8') }, { type: 'BOOKMARK', object: object('', '20') })
    return response.end()
  })
  await until('another watch', () => watches === 2)
  t.deepEqual(running.told, ['list a', 'b v1'])
  const [first, second] = running.fake.asked.filter(isWatch)
  t.is(first.query.get('allowWatchBookmarks'), 'true')
  t.deepEqual([first.query.get('resourceVersion'), second.query.get('resourceVersion')], ['7', '20'])
})

for (const [what, answer] of Object.entries({
  'an ERROR in the stream': (response: http.ServerResponse) => sendEvents(response, { type: 'ERROR', object: tooOld }),
  'an error 500 in the stream': (response: http.ServerResponse) => sendEvents(response, { type: 'ERROR', object: { code: 500 } }),
  'a version that is too large': (response: http.ServerResponse) => sendJson(response, { message: 'too large' }, 504),
  'a version that is none': (response: http.ServerResponse) => sendJson(response, { message: 'invalid' }, 400),
  silence: (response: http.ServerResponse) => sendEvents(response),
}))
  test(`after ${what} all is listed again`, async t => {
    let lists = 0
    await using running = await reflect(
      pods,
      (asked, response) => {
        if (isWatch(asked)) return lists === 1 ? answer(response) : sendEvents(response)
        lists++
        return sendJson(response, list(String(lists), lists === 1 ? ['a', 'b'] : ['b']))
      },
      { idleMs: 300 },
    )
    await until('another list', () => running.told.length >= 2)
    t.deepEqual(running.told.slice(0, 2), ['list a b', 'list b'])
  })

test('a server that is away is asked again, less and less often', async t => {
  let answers = 0
  await using running = await reflect(pods, (asked, response) => {
    if (answers++ < 4) return void response.destroy()
    return isWatch(asked) ? sendEvents(response) : sendJson(response, list('1', ['a']))
  })
  await until('a reason', () => running.reflector.phase === 'failing')
  await until('a watch', () => running.reflector.open)
  t.deepEqual(running.told, ['list a'])
  t.is(running.reflector.reason, undefined)
})

test('an object that makes no sense costs itself and nothing else', async t => {
  await using running = await reflect(pods, (asked, response) => {
    if (!isWatch(asked)) return sendJson(response, list('1', []))
    return sendEvents(response, { type: 'ADDED', object: object('bad', '2') }, { type: 'DELETED', object: object('good', '3') })
  })
  await until('both', () => running.told.length === 3)
  t.deepEqual(running.told, ['list', 'cannot read bad', 'no good'])
  t.is(running.reflector.version, '3')
})

test('what is installed is found in the version it has; what is not, is looked for again', async t => {
  let isInstalled = false
  await using running = await reflect(
    policies,
    (asked, response) => {
      if (!isInstalled || !asked.path.includes('/v1beta1/')) return sendJson(response, { message: 'no such thing' }, 404)
      return isWatch(asked) ? sendEvents(response, { type: 'ADDED', object: object('deny') }) : sendJson(response, list('1', []))
    },
    { absentMs: 50 },
  )
  await until('its absence', () => running.reflector.phase === 'absent')
  isInstalled = true
  await until('the policy', () => running.told.length === 3)
  t.deepEqual(running.told, ['list', 'list', 'deny security.istio.io/v1beta1'])
})

const nothing = { message: 'no such thing' }

test('what was in an old version of the API is followed in the new one when the old one is gone: nothing of it ends', async t => {
  let version = 'v1beta1'
  await using running = await reflect(policies, (asked, response) => {
    if (!asked.path.includes(`/${version}/`)) return sendJson(response, nothing, 404)
    if (!isWatch(asked)) return sendJson(response, list('1', ['deny']))
    if (version === 'v1') return sendEvents(response, { type: 'MODIFIED', object: object('deny', '2') })
    version = 'v1'
    return response.end()
  })
  await until('it in the new version', () => running.told.length === 3)
  t.deepEqual(running.told, ['list deny', 'list deny', 'deny security.istio.io/v1'])
})

test('a version that nobody had heard of is followed as well', async t => {
  await using running = await reflect(policies, (asked, response) => {
    const versions = ['v3', 'v2', 'v1'].map(version => ({ groupVersion: `security.istio.io/${version}` }))
    if (asked.path === '/apis/security.istio.io') return sendJson(response, { versions })
    if (!asked.path.includes('/v2/')) return sendJson(response, nothing, 404)
    return isWatch(asked) ? sendEvents(response, { type: 'ADDED', object: object('deny') }) : sendJson(response, list('1', []))
  })
  await until('the policy', () => running.told.length === 2)
  t.deepEqual(running.told, ['list', 'deny security.istio.io/v2'])
})

test('while the server cannot say which versions it has, nothing is taken for gone', async t => {
  let isBroken = true
  await using running = await reflect(policies, (asked, response) => {
    if (asked.path.includes('/v')) return sendJson(response, nothing, 404)
    return isBroken ? sendJson(response, {}, 503) : sendJson(response, nothing, 404)
  })
  await until('a reason', () => running.reflector.phase === 'failing')
  t.deepEqual(running.told, [])
  isBroken = false
  await until('its absence', () => running.reflector.phase === 'absent')
  t.deepEqual(running.told, ['list'])
})

test('a renewed token is read from the kubeconfig', async t => {
  await using running = await reflect(pods, (asked, response) => {
    if (asked.token !== 'Bearer second') return sendJson(response, { message: 'who are you?' }, 401)
    return isWatch(asked) ? sendEvents(response) : sendJson(response, list('1', ['a']))
  })
  await until('a refusal', () => running.reflector.phase === 'refused')
  await running.fake.useToken('second')
  await until('a watch', () => running.reflector.open)
  t.deepEqual(running.told, ['list a'])
})

test('who stops leaves no connection behind, whatever was going on', async t => {
  await using watching = await reflect(pods, (asked, response) =>
    isWatch(asked) ? sendEvents(response) : sendJson(response, list('1', [])),
  )
  await until('a watch', () => watching.reflector.open)
  await watching.end()
  await until('no connection', async () => (await watching.fake.connections()) === 0)
  await using waiting = await reflect(pods, () => {})
  await until('a question', () => waiting.fake.asked.length)
  await waiting.end()
  await until('no connection', async () => (await waiting.fake.connections()) === 0)
  t.pass()
})
