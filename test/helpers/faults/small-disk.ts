import { execFile } from 'node:child_process'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A disk of its own, to be filled up. */
export interface SmallDisk extends AsyncDisposable {
  directory: string
  /** Leaves no byte to anybody. */
  fill(): Promise<void>
  /** Gives back what was filled. */
  free(): Promise<void>
}

const written = (file: FileHandle, bytes: number) =>
  file.write(Buffer.alloc(bytes)).then(
    () => true,
    () => false,
  )

/** Why there can be no small disk here; nothing when there can. */
export async function whyNoSmallDisk(): Promise<string | undefined> {
  try {
    await (await mountSmallDisk(1))[Symbol.asyncDispose]()
    return undefined
  } catch (error) {
    return `mounting a small disk needs Linux and root: ${(error as Error).message.trim().split('\n').at(-1)}`
  }
}

export async function mountSmallDisk(megabytes: number): Promise<SmallDisk> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-disk-'))
  const filler = path.join(directory, 'filler')
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory])
  } catch (error) {
    await rm(directory, { recursive: true })
    throw error
  }

  async function fill() {
    const file = await open(filler, 'a')
    let bytes = 1 << 20
    try {
      while (bytes >= 1) if (!(await written(file, bytes))) bytes >>= 1
    } finally {
      await file.close()
    }
  }

  return {
    directory,
    fill,
    free: () => rm(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      // Also while somebody still has a file open on it.
      await run('umount', ['-l', directory])
      await rm(directory, { recursive: true })
    },
  }
}
