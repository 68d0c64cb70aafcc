/** What crosses the bus: a body nobody on the way looks into, and what one must know to route it. */
export interface Message {
  /** Names the thing the body is a version of. Required on a compacted topic, where only the newest message of a key is kept. */
  key?: string
  headers: Readonly<Record<string, string>>
  body: Uint8Array
  /** On a compacted topic: nothing of its key is kept any more, and after a while not this message either. It has no body, and no headers. */
  tombstone?: true
  /** 8 bytes a record: what its collector knows the record by, to recognise what it is sent again. */
  ids?: Uint8Array
}

/** What removes a key from a compacted topic. */
export const tombstoneOf = (key: string): Message => ({ key, headers: {}, body: new Uint8Array(), tombstone: true })

export interface Delivered extends Message {
  offset: number
  /** When it was published, in milliseconds. */
  time: number
}

/** How far a group is: `offset` is the next message to read. `metadata` is the group's own note, at most 4,000 bytes. */
export interface Position {
  offset: number
  metadata: string
}

/** One partition in the hands of one consumer. */
export interface Assignment {
  topic: string
  partition: number
  /** What the group committed last, as of the moment of the assignment. */
  committed: Position
  /** Aborted when the partition is taken away or the subscription ends. */
  signal: AbortSignal
  /**
   * The next messages in order: as soon as there are some, at most `maxBytes` of bodies (but at least one message),
   * or none after `waitMs`. Rejects with the signal's reason once that is aborted.
   */
  read(limits?: { maxBytes?: number; waitMs?: number }): Promise<Delivered[]>
  /** Durable when it resolves. Rejects when the partition is no longer ours. */
  commit(position: Position): Promise<void>
}

export interface TopicOptions {
  /** Keep only the newest message of each key, until its key is removed by a tombstone. Publishing never waits for readers. */
  compacted?: boolean
  /** Of a compacted topic: for how long who reads is told that a key was removed; a day by default. */
  tombstoneMs?: number
  /** All messages come in the order in which they were published, whatever their keys: the topic has one partition. */
  ordered?: boolean
  /** Messages older than this that every group has read are removed. Without it, only size decides. */
  maxAgeMs?: number
  /** When the topic is larger than this, the oldest messages that every group has read are removed. */
  maxBytes?: number
  /**
   * What nobody has read is never removed: publishing waits instead. While a topic has no group yet, all of it is unread.
   * Kafka knows no such waiting: there everything is removed by age and size, and what is gone unread is counted.
   * With false (dead letters), the oldest messages are removed by age and size whether they were read or not.
   */
  awaitReaders?: boolean
}

export interface GroupLag {
  topic: string
  group: string
  messages: number
  bytes: number
  /** Age of the oldest unread message in milliseconds; 0 when all is read. */
  ageMs: number
}

/** How long tombstones are kept where a topic says nothing else. */
export const usualTombstoneMs = 86_400_000

/** Carries messages between services, in order within a partition, and keeps them until they are old. */
export interface Bus extends AsyncDisposable {
  /** Makes the topic known with its settings. Publishing to an unknown topic is an error. */
  ensureTopic(topic: string, options?: TopicOptions): Promise<void>
  /**
   * Durable when it resolves. Waits while unread messages fill the topic (back-pressure) and while there is trouble;
   * `signal` ends the waiting. Messages of one call are stored together or not at all, as far as they go to one partition:
   * by their key, or all those without one. Rejects with what waiting does not mend.
   */
  publish(topic: string, messages: Message[], signal?: AbortSignal): Promise<void>
  /** One message in every partition the topic has; else as `publish`. */
  publishToAll(topic: string, message: Message, signal?: AbortSignal): Promise<void>
  /** What a group committed last, by partition; undefined where it never did. */
  positions(topic: string, group: string): Promise<(Position | undefined)[]>
  /** Why publishing and reading wait, for people; nothing while all is well. Readers that are behind are no trouble. */
  trouble(): string | undefined
  /**
   * Hands the partitions of the topic to `consume`, one call for each. A group starts at the oldest message.
   * A consumer that rejects or returns gets the partition again, from the committed position, after `retryDelayMs`.
   */
  subscribe(
    topic: string,
    group: string,
    consume: (assignment: Assignment) => Promise<void>,
    options?: { retryDelayMs?: number },
  ): Promise<AsyncDisposable>
  /** The newest messages for which `wanted` holds on the headers, newest first; stops at the first call for which it returns 'stop'. */
  recent(topic: string, wanted: (headers: Readonly<Record<string, string>>, time: number) => boolean | 'stop'): AsyncIterable<Delivered>
  /**
   * Messages from the oldest on, without a group: for those who need the whole topic each time they start. `caughtUp` once all that was
   * there at the start has been delivered (at once, with no messages, on an empty topic); then goes on with new ones until `signal` ends it.
   */
  follow(topic: string, signal: AbortSignal): AsyncIterable<{ messages: Delivered[]; caughtUp: boolean }>
  /** How far each group is behind. Rejects when that is not known at present: nothing known is not nothing unread. */
  lag(): Promise<GroupLag[]>
}
