import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const DIST = join(ROOT, 'dist')

/** What each subpath gives at run time, and the packages that loading it needs. A change here is a release note. */
const SUBPATHS: Record<string, { file: string; names: string[]; packages: string[] }> = {
  'realtime-query-bridge': {
    file: 'index',
    names: [
      'RealtimeError',
      'RealtimeQueryBridge',
      'defineEvents',
      'drop',
      'fallback',
      'invalidate',
      'mergeEvents',
      'on',
      'patch',
      'positioned',
      'presenceOf',
      'remove',
      'resource',
      'setData',
      'signalsOf',
      'systemClock',
      'update',
      'upsert',
    ],
    packages: ['@tanstack/query-core'],
  },
  'realtime-query-bridge/react': {
    file: 'react',
    names: [
      'ConnectionIndicator',
      'OfflineBanner',
      'RealtimeQueryProvider',
      'isUnknownOutcome',
      'realtimeMutationOptions',
      'useCursors',
      'useIsLive',
      'usePendingMutations',
      'usePresence',
      'useRealtimeBridge',
      'useRealtimeEvent',
      'useRealtimeMutation',
      'useRealtimeStatus',
      'useSignal',
      'useStableKey',
      'useSyncState',
      'useTopic',
      'useTyping',
    ],
    packages: ['@tanstack/query-core', '@tanstack/react-query', 'react', 'react/jsx-runtime'],
  },
  'realtime-query-bridge/websocket': {
    file: 'websocket',
    names: ['webSocketTransport'],
    packages: ['partysocket/ws'],
  },
  'realtime-query-bridge/sse': {
    file: 'sse',
    names: ['sseTransport'],
    packages: ['eventsource-parser'],
  },
  'realtime-query-bridge/socket.io': {
    file: 'socket.io',
    names: ['socketIoTransport'],
    packages: ['socket.io-client'],
  },
  'realtime-query-bridge/cross-tab': {
    file: 'cross-tab',
    names: ['crossTab'],
    packages: [],
  },
  'realtime-query-bridge/persist': {
    file: 'persist',
    names: ['dehydrateBase', 'dehydrateWithPositions', 'persistMutations', 'serializeBase'],
    packages: ['@tanstack/query-core'],
  },
  'realtime-query-bridge/server': {
    file: 'server',
    names: [
      'CONNECTION_HEADER',
      'POSITION_HEADER',
      'RealtimeError',
      'SendError',
      'attachWebSocket',
      'createRealtimeServer',
      'formatPosition',
      'formatPositions',
      'idempotent',
      'memoryEventLog',
      'memoryIdempotencyStore',
      'nodeListener',
      'parsePosition',
      'parsePositions',
      'positionHeader',
      'positionMiddleware',
      'sseHandler',
      'tokenExpired',
      'withPosition',
    ],
    packages: ['node:buffer', 'node:stream', 'node:zlib', 'ws'],
  },
  'realtime-query-bridge/server/redis': {
    file: 'server-redis',
    names: ['redisBus', 'redisEventLog', 'redisIdempotencyStore'],
    packages: ['node:crypto'],
  },
  'realtime-query-bridge/server/postgres': {
    file: 'server-postgres',
    names: [
      'postgresBus',
      'postgresEventLog',
      'postgresEventLogSchema',
      'postgresIdempotencySchema',
      'postgresIdempotencyStore',
    ],
    packages: ['node:buffer'],
  },
  'realtime-query-bridge/msgpack': {
    file: 'msgpack',
    names: ['msgpackCodec'],
    packages: ['@msgpack/msgpack'],
  },
  'realtime-query-bridge/testing': {
    file: 'testing',
    names: [
      'FakeConnection',
      'createFakeTransport',
      'createTestBridge',
      'createTestServer',
      'eventLogContract',
      'idempotencyContract',
      'serverBusContract',
      'transportContract',
    ],
    packages: ['@tanstack/query-core', 'node:buffer', 'node:timers'],
  },
  'realtime-query-bridge/devtools': {
    file: 'devtools',
    names: ['RealtimeDevtools', 'RealtimeDevtoolsPanel', 'recordRealtime'],
    packages: ['@tanstack/query-core', 'react', 'react/jsx-runtime'],
  },
  'realtime-query-bridge/devtools/production': {
    file: 'devtools-production',
    names: ['RealtimeDevtools', 'RealtimeDevtoolsPanel', 'recordRealtime'],
    packages: ['@tanstack/query-core', 'react', 'react/jsx-runtime'],
  },
}

const CLIENT_ENTRIES = ['react', 'devtools', 'devtools-production']

beforeAll(() => {
  if (!existsSync(join(DIST, 'index.js')))
    throw new Error('There is no build to test: run `npm run build` first.')
})

const read = (file: string) => readFileSync(join(DIST, file), 'utf8')

/** Everything that a built file loads, itself or through its chunks: `import`, `export … from`, `require`. */
function loads(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>()
  if (seen.has(file)) return packages
  seen.add(file)
  const code = read(file)
  const specifiers = [
    ...code.matchAll(/(?:^|\n|;|\})\s*(?:import|export)\b[^'";]*?["']([^"'\n]+)["']/g),
    ...code.matchAll(/\b(?:require|import)\(\s*["']([^"'\n]+)["']\s*\)/g),
  ].map((match) => match[1]!)
  for (const specifier of specifiers) {
    if (!specifier.startsWith('.')) packages.add(specifier)
    else {
      const name = join(dirname(file), specifier)
      const target = file.includes('.d.') ? name.replace(/\.(c?)js$/, '.d.$1ts') : name
      for (const found of loads(target, seen)) packages.add(found)
    }
  }
  return packages
}

/** Runs a real Node on the real package, by its name. */
function node(code: string, format: 'module' | 'commonjs'): unknown {
  const output = execFileSync(process.execPath, [`--input-type=${format}`, '--eval', code], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return JSON.parse(output)
}

describe.each(Object.entries(SUBPATHS))('%s', (subpath, { file, names, packages }) => {
  it('exports exactly these names as an ES module', () => {
    const code = `import * as all from '${subpath}'; console.log(JSON.stringify(Object.keys(all).sort()))`
    expect(node(code, 'module')).toEqual(names)
  })

  it('exports exactly these names to require', () => {
    const code = `console.log(JSON.stringify(Object.keys(require('${subpath}')).sort()))`
    expect(node(code, 'commonjs')).toEqual(names)
  })

  it.each(['js', 'cjs'])('loads exactly these packages (%s)', (extension) => {
    expect([...loads(`${file}.${extension}`)].sort()).toEqual(packages)
  })

  it.each(['js', 'cjs', 'd.ts', 'd.cts'])('is built with %s', (extension) => {
    expect(existsSync(join(DIST, `${file}.${extension}`))).toBe(true)
  })
})

describe('the package', () => {
  it('exports the subpaths above and its package.json, nothing else', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: object }
    const expected = Object.keys(SUBPATHS).map((name) => name.replace('realtime-query-bridge', '.'))
    expect(Object.keys(manifest.exports)).toEqual([...expected, './package.json'])
  })

  it("puts 'use client' first in the React entries, and nowhere else", () => {
    const code = readdirSync(DIST).filter((file) => /\.c?js$/.test(file))
    const first = code.filter((file) => read(file).startsWith('"use client";'))
    const anywhere = code.filter((file) => read(file).includes('use client'))
    const expected = CLIENT_ENTRIES.flatMap((entry) => [`${entry}.cjs`, `${entry}.js`]).sort()
    expect(first).toEqual(expected)
    expect(anywhere).toEqual(expected)
  })

  it.each(['js', 'cjs'])('has each class and each context once (%s)', (extension) => {
    const files = readdirSync(DIST).filter((file) => file.endsWith(`.${extension}`))
    const made = files.flatMap((file) =>
      [...read(file).matchAll(/^(?:var|let|const) (\w+) = (?:class\b|.*\bcreateContext\b)/gm)].map(
        (match) => match[1],
      ),
    )
    expect(made).toContain('RealtimeError')
    expect(made.filter((name, index) => made.indexOf(name) !== index)).toEqual([])
  })

  it.each(['js', 'cjs'])('asks of `process` only what bundlers replace (%s)', (extension) => {
    const asked = readdirSync(DIST)
      .filter((file) => file.endsWith(`.${extension}`))
      .flatMap((file) => [...read(file).matchAll(/\bprocess\b[^\s;)]*/g)].map((match) => match[0]))
    expect([...new Set(asked)]).toEqual(['process.env.NODE_ENV'])
  })

  it('needs no schema library for its types', () => {
    const declarations = readdirSync(DIST).filter((file) => /\.d\.c?ts$/.test(file))
    const imported = declarations.flatMap((file) => [...loads(file)])
    expect(imported.filter((name) => /zod|valibot|standard-schema/.test(name))).toEqual([])
  })

  it('has no types that need a package which is neither a peer nor part of Node', () => {
    const declarations = readdirSync(DIST).filter((file) => /\.d\.c?ts$/.test(file))
    const imported = new Set(declarations.flatMap((file) => [...loads(file)]))
    expect([...imported].sort()).toEqual([
      '@tanstack/query-core',
      '@tanstack/react-query',
      'node:http',
      'node:stream',
      'react',
      'socket.io-client',
    ])
  })

  it('needs React and its adapter for the types of the React entries alone', () => {
    const needing = Object.values(SUBPATHS)
      .map(({ file }) => file)
      .filter((file) =>
        [...loads(`${file}.d.ts`), ...loads(`${file}.d.cts`)].some((name) => name.includes('react')),
      )
    expect(needing).toEqual(CLIENT_ENTRIES)
  })
})
