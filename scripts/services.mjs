/** Where Redis and PostgreSQL stand. The tests start servers of their own from these files, in folders of their own. */
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']

/** What a cluster needs. Debian keeps them off `PATH`, in a folder for each version. */
const POSTGRES_PROGRAMS = ['initdb', 'postgres']

const POSTGRES_PLACES = [
  ...versionsIn('/usr/lib/postgresql', ''),
  ...versionsIn('/opt/homebrew/opt', 'postgresql@'),
]

/**
 * The path of `redis-server`: `REDIS_SERVER` when it is set, else the first found.
 * @returns {string | undefined}
 */
export function findRedis() {
  const given = process.env['REDIS_SERVER']
  const candidates = given
    ? [given]
    : [...pathFolders(), ...PLACES].map((folder) => join(folder, 'redis-server'))
  return candidates.find(isExecutable)
}

/**
 * The folder of `initdb` and `postgres`: `POSTGRES_BIN` when it is set, else the newest version found.
 * @returns {string | undefined}
 */
export function findPostgres() {
  const given = process.env['POSTGRES_BIN']
  const candidates = given ? [given] : [...POSTGRES_PLACES, ...pathFolders(), ...PLACES]
  return candidates.find((folder) => POSTGRES_PROGRAMS.every((name) => isExecutable(join(folder, name))))
}

function pathFolders() {
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
}

/**
 * `bin` folders of the versions installed side by side, newest first.
 * @param {string} folder
 * @param {string} prefix
 */
function versionsIn(folder, prefix) {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .sort((one, other) => Number(other.slice(prefix.length)) - Number(one.slice(prefix.length)))
      .map((name) => join(folder, name, 'bin'))
  } catch {
    return []
  }
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
