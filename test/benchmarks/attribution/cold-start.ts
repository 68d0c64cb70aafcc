import type { ObjectVersion } from '../../../schema/object.ts'

export async function coldStart(versions: Iterable<ObjectVersion>): Promise<void> {
  console.log([...versions].length)
}
