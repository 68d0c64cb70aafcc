import { compile } from './plan.ts'

/** The records of version 5 are all alike: as a template they are read as those of version 9 are. An element of 0 is not used. */
const fields = [
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 2],
  [14, 2],
  [2, 4],
  [1, 4],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
  [0, 1],
  [6, 1],
  [4, 1],
  [5, 1],
  [16, 2],
  [17, 2],
  [9, 1],
  [13, 1],
  [0, 2],
] as const

export const netflow5 = compile({ id: 5, fields: fields.map(([id, length]) => ({ enterprise: 0, id, length })) })
