import { Dictionaries } from './dictionary.ts'
import { Interner } from '../protobuf/interner.ts'
import type { Nodes, ReportingNode } from './nodes.ts'
import {
  Texts,
  noEndpoint,
  noPolicy,
  noTexts,
  readDropSite,
  readEndpoint,
  readInterface,
  readPolicy,
  readService,
  readText,
} from './texts.ts'

/** A node's cluster and name. */
class NodeName extends Texts {
  readonly node: ReportingNode
  constructor(node: ReportingNode) {
    super([node.cluster, node.reporter])
    this.node = node
  }
}

/** All that flows repeat, by its bytes. */
export class Known {
  readonly dictionaries = new Dictionaries()
  readonly endpoints = new Interner(noEndpoint, readEndpoint)
  readonly services = new Interner(noTexts, readService)
  readonly policies = new Interner(noPolicy, readPolicy)
  readonly interfaces = new Interner(noTexts, readInterface)
  readonly dropSites = new Interner(noTexts, readDropSite)
  /** Names of ends, and what policies log. */
  readonly names = new Interner(noTexts, readText)
  /** What requests say. */
  readonly words = new Interner(noTexts, readText)
  readonly nodes: Interner<NodeName>

  constructor(nodes: Nodes) {
    const named = (name: string) => new NodeName(nodes.named(name))
    this.nodes = new Interner(named(''), (bytes, start, end) => named(bytes.toString('utf8', start, end)))
  }
}
