import { recordsOf } from './records.ts'
import { redo } from './redo.ts'
import type { Report, Request, Running } from './running.ts'

/**
 * Attributes the records of a window again while questions are answered and records come. Who is killed goes on when it is called again with
 * the same request, or somebody else does.
 */
export function reattribute(request: Request, running: Running, signal: AbortSignal): Promise<Report> {
  return redo(request, request => recordsOf(request.kind, request, running, signal), running, signal)
}
