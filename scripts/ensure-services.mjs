/**
 * Makes sure that there are a Redis and a PostgreSQL for the tests to start: installs Debian's where that needs no
 * question (Debian or a kin of it, as root), else says in one line what to install.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { findPostgres, findRedis } from './services.mjs'

const SERVICES = [
  { name: 'Redis', variable: 'REDIS_SERVER', debian: 'redis-server', find: findRedis },
  { name: 'PostgreSQL', variable: 'POSTGRES_BIN', debian: 'postgresql', find: findPostgres },
]

const missing = () => SERVICES.filter(({ find }) => find() === undefined)

/** @returns {string} where they stand. Throws with the remedy when one is missing and cannot be installed. */
export function ensureServices() {
  if (missing().length > 0 && existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    /** @param {string[]} args */
    const apt = (...args) =>
      execFileSync('apt-get', args, {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
    apt('update', '-qq')
    apt('install', '-y', '-qq', '--no-install-recommends', ...missing().map(({ debian }) => debian))
  }
  const absent = missing()
  if (absent.length > 0) {
    const names = absent.map(({ name }) => name).join(' and ')
    const packages = absent.map(({ debian }) => debian).join(' ')
    const variables = absent.map(({ variable }) => variable).join(' and ')
    throw new Error(
      `The service tests need ${names}: install (Debian and Ubuntu: sudo apt-get install ${packages}), or set ${variables}.`,
    )
  }
  return SERVICES.map(({ find }) => find()).join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    console.log(ensureServices())
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
