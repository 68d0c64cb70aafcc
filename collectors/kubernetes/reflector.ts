import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, ApiError, SilentError } from './api.ts'
import type { ApiObject } from './object.ts'
import { type Resource, groupOf, pathOf } from './resource.ts'

/** What a reflector does with what it is told. Objects are the API's own and are not kept. */
export interface Reflected {
  /** A whole list, of which the first part came at `at` (ms). Nothing of it counts before `end`; of a list that is begun anew, never. */
  listing(at: number): { add(object: ApiObject): void; end(): void }
  /** A watch is open: what comes from now on happens now, or happened since the one before ended. */
  opened(): void
  /** The object is so from now on. */
  changed(object: ApiObject): void
  deleted(object: ApiObject): void
  /** Could not be taken in. */
  unreadable(object: ApiObject, error: unknown): void
  /** Resolves when more can be taken. */
  ready(): Promise<void>
}

export type Phase = 'starting' | 'listing' | 'watching' | 'absent' | 'refused' | 'failing'

/** Milliseconds, all of them. */
export interface Timing {
  /** Without a bookmark or an event for so long, all is listed again. */
  idleMs: number
  relistMs: number
  /** How soon a kind that is not installed is looked for again. */
  absentMs: number
  firstRetryMs: number
  longestRetryMs: number
}

export const usualTiming: Timing = { idleMs: 90_000, relistMs: 30 * 60_000, absentMs: 60_000, firstRetryMs: 500, longestRetryMs: 30_000 }

interface Options {
  api: Api
  reflected: Reflected
  signal: AbortSignal
  timing: Timing
  /** Called whenever the phase or the reason changes. */
  onState(): void
}

interface List {
  metadata?: { resourceVersion?: string; continue?: string }
  items?: ApiObject[]
}

/** What the API says of a group (meta/v1 APIGroup), the version it prefers first. */
interface Group {
  versions?: readonly { groupVersion: string }[]
}

interface WatchEvent {
  type: string
  object: ApiObject & { code?: number; message?: string }
}

const objectsAtOnce = 500
const listMs = 30_000
const mostListsAnew = 3
/** A server that ends watches at once is not asked without pause. */
const leastWatchMs = 500
/** A watch that lasted so long was a good one: the next failure is a new one. */
const wellMs = 10_000

/** Follows one kind of object: a list, then what changes, for ever; lists again whenever something may have been missed. */
export class Reflector {
  phase: Phase = 'starting'
  /** Why it does not watch, for people. */
  reason: string | undefined
  /** Whether a watch is open now, and since when it is, or the last one was; milliseconds. */
  open = false
  openedAt = 0
  /** The newest resource version seen. */
  version = ''
  readonly resource: Resource
  readonly #options: Options
  /** Which of the resource's API versions the server has. */
  #apiVersion: string
  /** In which of them it is not, as far as they were looked at since it was anywhere. */
  readonly #missing = new Set<string>()
  /** Ends what is being waited for: the watch, or the pause before the next try. */
  #interrupt = new AbortController()
  #anew = false
  /** How often it failed since it was well. */
  #attempt = 0

  constructor(resource: Resource, options: Options) {
    this.resource = resource
    this.#options = options
    this.#apiVersion = resource.apiVersions[0]
  }

  /** Whether all there is to be known is known, or it is sure that nothing will be. */
  get settled(): boolean {
    return this.phase === 'watching' || this.phase === 'absent' || this.phase === 'refused'
  }

  async run(): Promise<void> {
    const { signal, timing } = this.#options
    while (!signal.aborted) {
      this.#interrupt = new AbortController()
      const begun = Date.now()
      try {
        if (!this.version) await this.#list()
        await this.#watch()
        if (Date.now() - begun < leastWatchMs) await this.#pause(leastWatchMs)
      } catch (error) {
        if (signal.aborted) return
        if (this.#interrupt.signal.aborted) continue
        if (this.openedAt >= begun && Date.now() - this.openedAt > wellMs) this.#attempt = 0
        await this.#pause(await this.#fail(error, Math.min(timing.longestRetryMs, timing.firstRetryMs * 2 ** this.#attempt++)))
      } finally {
        if (this.#anew) this.version = ''
        this.#anew = false
      }
    }
  }

  /** Lists all again, now. */
  relist(): void {
    this.#anew = true
    this.#interrupt.abort()
  }

  /** Opens another connection at once and goes on where this one was. */
  reconnect(): void {
    if (this.phase !== 'watching' && this.phase !== 'failing') return
    this.#attempt = 0
    this.#interrupt.abort()
  }

  async #list(): Promise<void> {
    if (this.phase === 'watching') this.#set('listing')
    for (let anew = 0; ; anew++)
      try {
        // The last time in one piece, for which nothing can be too old.
        this.version = await this.#listOnce(anew < mostListsAnew ? objectsAtOnce : undefined)
        this.#missing.clear()
        return
      } catch (error) {
        const isTooOld = error instanceof ApiError && error.status === 410
        if (!isTooOld || anew === mostListsAnew) throw error
      }
  }

  async #listOnce(limit: number | undefined): Promise<string> {
    const { api, reflected, signal } = this.#options
    const request = { timeoutMs: listMs, signal: AbortSignal.any([signal, this.#interrupt.signal]) }
    let listing: ReturnType<Reflected['listing']> | undefined
    for (let token: string | undefined; ;) {
      await reflected.ready()
      const { body, at } = await api.get<List>(this.#path(), { limit, continue: token }, request)
      listing ??= reflected.listing(at)
      for (const object of body.items ?? []) this.#guard(object, listing.add)
      token = body.metadata?.continue || undefined
      if (token) continue
      listing.end()
      return body.metadata?.resourceVersion ?? ''
    }
  }

  async #watch(): Promise<void> {
    const { api, reflected, signal, timing } = this.#options
    const relist = setTimeout(() => this.relist(), timing.relistMs * (0.9 + Math.random() * 0.2))
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: this.version,
      timeoutSeconds: 240 + Math.floor(Math.random() * 120),
    }
    const onOpen = () => {
      this.openedAt = Date.now()
      this.open = true
      reflected.opened()
      this.#set('watching')
    }
    try {
      const request = { idleMs: timing.idleMs, signal: AbortSignal.any([signal, this.#interrupt.signal]), onOpen }
      for await (const line of api.lines(this.#path(), query, request)) {
        if (line) this.#take(JSON.parse(line) as WatchEvent)
        await reflected.ready()
      }
    } finally {
      this.open = false
      clearTimeout(relist)
    }
  }

  #take({ type, object }: WatchEvent): void {
    const { reflected } = this.#options
    if (type === 'ERROR') throw new ApiError(object.code ?? 500, object.message ?? 'the watch failed')
    if (type === 'ADDED' || type === 'MODIFIED') this.#guard(object, reflected.changed)
    else if (type === 'DELETED') this.#guard(object, reflected.deleted)
    this.version = object.metadata?.resourceVersion ?? this.version
  }

  /** An object that cannot be understood costs itself and nothing else. */
  #guard(object: ApiObject, take: (object: ApiObject) => void): void {
    try {
      object.apiVersion = this.#apiVersion
      take(object)
    } catch (error) {
      this.#options.reflected.unreadable(object, error)
    }
  }

  /** Notes what went wrong, and says how long to wait, in milliseconds. */
  async #fail(error: unknown, backOffMs: number): Promise<number> {
    const status = error instanceof ApiError ? error.status : 0
    const wasWatch = this.version !== ''
    // The server does not know that version any more, or not yet; or nothing came, as from a version that never was.
    if (error instanceof SilentError || [400, 404, 410, 500, 504].includes(status)) this.version = ''
    if (status === 410 || (wasWatch && error instanceof SilentError)) return jittered(backOffMs)
    if (status === 404 && this.resource.optional) return this.#lookElsewhere().catch((other: unknown) => this.#fail(other, backOffMs))
    this.#set(status === 401 || status === 403 ? 'refused' : 'failing', error instanceof Error ? error.message : String(error))
    return Math.max(jittered(backOffMs), error instanceof ApiError ? error.retryAfterMs : 0)
  }

  /** Another version of the API may be there; when none is, there are no such objects. */
  async #lookElsewhere(): Promise<number> {
    const { apiVersions } = this.resource
    this.#missing.add(this.#apiVersion)
    const next = apiVersions.find(version => !this.#missing.has(version)) ?? (await this.#unheardOf())
    this.#apiVersion = next ?? apiVersions[0]
    if (next) return 0
    this.#missing.clear()
    if (this.phase !== 'absent') this.#options.reflected.listing(Date.now()).end()
    this.#set('absent')
    return jittered(this.#options.timing.absentMs)
  }

  /** A version that is newer than we are, or older: what is kept of it is the same. */
  async #unheardOf(): Promise<string | undefined> {
    const { api, signal } = this.#options
    const request = { timeoutMs: listMs, signal: AbortSignal.any([signal, this.#interrupt.signal]) }
    for (const group of new Set(this.resource.apiVersions.map(groupOf))) {
      const { versions = [] } = await api.get<Group>(`/apis/${group}`, {}, request).then(({ body }) => body, unlessHidden)
      const found = versions.find(({ groupVersion }) => !this.#missing.has(groupVersion))
      if (found) return found.groupVersion
    }
    return undefined
  }

  #set(phase: Phase, reason?: string): void {
    if (phase === this.phase && reason === this.reason) return
    this.phase = phase
    this.reason = reason
    this.#options.onState()
  }

  #path = () => pathOf(this.resource, this.#apiVersion)

  #pause(ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#interrupt.signal])
    return sleep(ms, undefined, { signal }).catch(() => {})
  }
}

const jittered = (ms: number) => ms * (0.5 + Math.random() / 2)

/** What is not there, or may not be looked at, says nothing. */
function unlessHidden(error: unknown): Group {
  if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return {}
  throw error
}
