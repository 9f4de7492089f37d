import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Holds a data folder for this process: two databases on one folder would destroy it. A lock whose process is
 * gone (killed) is taken over. Waits up to `waitMs` for one that is still closing.
 */
export async function lockDataFolder(folder: string, waitMs: number): Promise<() => void> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'in-use-by.pid')
  for (const end = Date.now() + waitMs; ; await sleep(100)) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(readFileSync(file, 'utf8').trim())
    if (!isRunning(owner)) rmSync(file, { force: true })
    else if (Date.now() > end) {
      throw new Error(
        `The data in ${folder} is in use by process ${owner}. Stop that one, or give this one a folder of its ` +
          `own with TASK_BOARD_DATA.`,
      )
    }
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
