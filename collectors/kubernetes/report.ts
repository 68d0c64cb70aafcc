import type { Logger } from '../../runtime/log.ts'
import { describe } from '../../runtime/log.ts'
import type { SourceStatus } from '../source.ts'
import type { ClockOffset } from './clock.ts'
import type { Followed } from './followed.ts'
import type { History } from './history.ts'

/** How each cluster is doing, and the source from that. */
export class Report {
  readonly #clusters: ClusterReport[] = []
  readonly #status: (status: SourceStatus) => void
  #told = ''

  constructor(status: (status: SourceStatus) => void) {
    this.#status = status
  }

  add(name: string, log: Logger, clock: ClockOffset): ClusterReport {
    const cluster = new ClusterReport(name, { log: log.child({ cluster: name }), clock, tell: () => this.#tell() })
    this.#clusters.push(cluster)
    return cluster
  }

  #tell(): void {
    const reasons = this.#clusters.flatMap(({ name, reason }) => (reason ? `${name || 'the cluster'}: ${reason}` : []))
    const status = {
      ready: !reasons.length,
      reason: reasons.join(', ') || undefined,
      detail: { clusters: this.#clusters.map(each => each.detail) },
    }
    const text = JSON.stringify(status)
    if (text !== this.#told) this.#status(status)
    this.#told = text
  }
}

/** How one cluster is doing. What goes wrong is logged once until it is right again. */
export class ClusterReport {
  readonly name: string
  readonly #log: Logger
  readonly #clock: ClockOffset
  readonly #tell: () => void
  #followed: readonly Followed[] = []
  #history: History | undefined
  #unanswered: string | undefined = 'connecting'
  #heartbeat = 0
  /** Resources of which it was logged that they cannot be followed. */
  readonly #complaints = new Set<string>()
  #isAwayLogged = false

  constructor(name: string, { log, clock, tell }: { log: Logger; clock: ClockOffset; tell: () => void }) {
    this.name = name
    this.#log = log
    this.#clock = clock
    this.#tell = tell
  }

  /** Why objects are not known as they are now; nothing while they are. */
  get reason(): string | undefined {
    if (this.#unanswered) return this.#unanswered
    const troubled = this.#followed.filter(({ resource: { vital }, alive }) => vital && !alive)
    const reasons = troubled.map(
      ({ resource: { name }, reflector: { phase, reason } }) => `${name} ${phase}${reason ? ` (${reason})` : ''}`,
    )
    return reasons.join(', ') || undefined
  }

  get detail(): object {
    const not = this.#followed.filter(({ reflector: { phase } }) => phase !== 'watching' && phase !== 'absent')
    return {
      cluster: this.name,
      connected: this.reason === undefined,
      reason: this.reason,
      heartbeat: this.#heartbeat ? new Date(this.#heartbeat / 1000).toISOString() : undefined,
      clock_ahead_ms: this.#clock.ms,
      objects: this.#history?.counts() ?? {},
      absent: this.#followed.flatMap(({ resource, reflector }) => (reflector.phase === 'absent' ? resource.name : [])),
      not_followed: not.map(({ resource: { name }, reflector: { phase, reason } }) => ({ resource: name, phase, reason })),
    }
  }

  follow(followed: readonly Followed[], history: History): void {
    this.#followed = followed
    this.#history = history
  }

  changed({ resource, reflector: { phase, reason } }: Followed): void {
    if (phase === 'refused') this.#complain(resource.name, reason, 'the API server does not let us follow a resource')
    if (phase === 'watching' && this.#complaints.delete(resource.name))
      this.#log.info({ resource: resource.name }, 'a resource can be followed now')
    this.#tell()
  }

  #complain(resource: string, reason: string | undefined, message: string): void {
    if (this.#complaints.has(resource)) return
    this.#complaints.add(resource)
    this.#log.warn({ resource, reason }, message)
  }

  unanswered(error: unknown): void {
    this.#unanswered = `the API server does not answer: ${describe(error)}`
    if (!this.#isAwayLogged) this.#log.warn({ error }, 'the API server does not answer, trying again')
    this.#isAwayLogged = true
    this.#tell()
  }

  answered(): void {
    if (this.#isAwayLogged) this.#log.info({}, 'the API server answers again')
    this.#isAwayLogged = false
    // One that still fails when the server has answered twice fails by itself.
    if (!this.#unanswered)
      for (const { resource, reflector } of this.#followed)
        if (reflector.phase === 'failing') this.#complain(resource.name, reflector.reason, 'a resource cannot be followed, trying again')
    this.#unanswered = undefined
  }

  beat(time: number): void {
    this.#heartbeat = time
  }

  tell(): void {
    this.#tell()
  }
}
