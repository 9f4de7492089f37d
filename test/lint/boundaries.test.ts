import { dirname, resolve } from 'node:path'
import { ESLint } from 'eslint'
import tseslint from 'typescript-eslint'
import { describe, expect, it } from 'vitest'
import { boundaries } from '../../eslint.boundaries.js'

/** The rules alone, with a resolver of paths: the files that the cases speak of need not exist. */
const eslint = new ESLint({
  overrideConfigFile: true,
  overrideConfig: [
    { files: ['**/*.{ts,tsx}'], languageOptions: { parser: tseslint.parser } },
    {
      settings: {
        'import-x/resolver-next': [
          {
            interfaceVersion: 3,
            name: 'paths',
            resolve: (source: string, file: string) =>
              source.startsWith('.')
                ? { found: true, path: resolve(dirname(file), source) }
                : { found: false },
          },
        ],
      },
    },
    ...boundaries,
  ],
})

async function problemsOf(filePath: string, code: string): Promise<string[]> {
  const results = await eslint.lintText(code, { filePath })
  return results.flatMap((result) => result.messages.map((message) => message.ruleId ?? message.message))
}

const STAGES = 'import-x/no-restricted-paths'
const PACKAGES = '@typescript-eslint/no-restricted-imports'
const WRITES = 'no-restricted-syntax'

describe('the one-way import rule', () => {
  it.each([
    // Against the direction of the pipeline. Type imports count: a type is a dependency too.
    ['src/core/event.ts', `import type { Transport } from './transport.ts'`],
    ['src/core/transport.ts', `import { PROTOCOL } from './protocol/version.ts'`],
    ['src/core/protocol/x.ts', `import type { Effect } from '../routing/effect.ts'`],
    ['src/core/protocol/deep/x.ts', `import type { Effect } from '../../routing/effect.ts'`],
    ['src/core/session/x.ts', `import type { Effect } from '../routing/effect.ts'`],
    ['src/core/session/x.ts', `import { CacheWriter } from '../cache/cache-writer.ts'`],
    ['src/core/routing/x.ts', `import { CacheWriter } from '../cache/cache-writer.ts'`],
    ['src/core/overlay/x.ts', `export * from '../cache/cache-writer.ts'`],
    ['src/core/cache/x.ts', `import { RealtimeQueryBridge } from '../../bridge.ts'`],
    ['src/core/cache/x.ts', `import { x } from '../../index.ts'`],
    // Outside the core.
    ['src/transports/x.ts', `import { closePolicy } from '../core/session/session.ts'`],
    ['src/transports/x.ts', `import { encode } from '../core/protocol/codec.ts'`],
    ['src/cross-tab/x.ts', `import { Session } from '../core/session/session.ts'`],
    ['src/cross-tab/x.ts', `import { webSocketTransport } from '../transports/websocket.ts'`],
    ['src/server/x.ts', `import { closePolicy } from '../core/session/session.ts'`],
    ['src/server/logs/x.ts', `import type { Effect } from '../../core/routing/effect.ts'`],
    ['src/react/x.tsx', `import { webSocketTransport } from '../transports/websocket.ts'`],
    ['src/react/x.tsx', `import { createRealtimeServer } from '../server/index.ts'`],
    ['src/index.ts', `export * from './react/index.ts'`],
    // Nothing imports these.
    ['src/bridge.ts', `import { createTestBridge } from './testing/index.ts'`],
    ['src/react/x.tsx', `import { x } from '../devtools/index.ts'`],
    ['src/testing/x.ts', `import { x } from '../devtools/index.ts'`],
    ['src/core/cache/x.ts', `const x = import('../../testing/index.ts')`],
  ])('%s refuses %s', async (filePath, code) => {
    expect(await problemsOf(filePath, code)).toEqual([STAGES])
  })

  it.each([
    ['src/core/session/x.ts', `import { CloseCode } from '../protocol/close-codes.ts'`],
    ['src/core/session/x.ts', `import type { Transport } from '../transport.ts'`],
    ['src/core/session/x.ts', `import { RealtimeError } from '../errors.ts'`],
    ['src/core/cache/x.ts', `import { CacheWriter } from './cache-writer.ts'`],
    ['src/bridge.ts', `import { CacheWriter } from './core/cache/cache-writer.ts'`],
    ['src/react/x.tsx', `import { RealtimeQueryBridge } from '../bridge.ts'`],
    ['src/transports/x.ts', `import type { Transport } from '../core/transport.ts'`],
    ['src/server/x.ts', `import type { ServerMessage } from '../core/protocol/messages.ts'`],
    ['src/testing/x.ts', `import { createRealtimeServer } from '../server/index.ts'`],
    ['src/index.ts', `export { RealtimeQueryBridge } from './bridge.ts'`],
  ])('%s allows %s', async (filePath, code) => {
    expect(await problemsOf(filePath, code)).toEqual([])
  })
})

describe('the packages of each folder', () => {
  it.each([
    ['src/core/cache/x.ts', `import { useQuery } from '@tanstack/react-query'`],
    ['src/core/cache/x.ts', `import type { QueryClient } from '@tanstack/react-query'`],
    ['src/core/routing/x.ts', `import { z } from 'zod'`],
    ['src/core/session/x.ts', `import WebSocket from 'partysocket/ws'`],
    ['src/core/session/x.ts', `import { setTimeout } from 'node:timers/promises'`],
    ['src/core/session/x.ts', `import { EventEmitter } from 'events'`],
    ['src/bridge.ts', `import { useState } from 'react'`],
    ['src/index.ts', `export * from '@tanstack/query-core'`],
    ['src/react/x.tsx', `import { z } from 'zod'`],
    ['src/transports/sse.ts', `import { WebSocket } from 'partysocket/ws'`],
    ['src/transports/websocket.ts', `import { QueryClient } from '@tanstack/query-core'`],
    ['src/server/x.ts', `import { WebSocketServer } from 'ws'`],
    ['src/server/x.ts', `import type { QueryClient } from '@tanstack/query-core'`],
    ['src/server/x.ts', `import { useState } from 'react'`],
  ])('%s refuses %s', async (filePath, code) => {
    expect(await problemsOf(filePath, code)).toEqual([PACKAGES])
  })

  it.each([
    ['src/core/cache/x.ts', `import { QueryClient } from '@tanstack/query-core'`],
    ['src/core/routing/x.ts', `import type { StandardSchemaV1 } from '@standard-schema/spec'`],
    ['src/react/x.tsx', `import { useState } from 'react'`],
    ['src/react/x.tsx', `import { useQueryClient } from '@tanstack/react-query'`],
    ['src/transports/websocket.ts', `import { WebSocket } from 'partysocket/ws'`],
    ['src/server/sockets/ws.ts', `import { WebSocketServer } from 'ws'`],
    ['src/server/x.ts', `import { randomUUID } from 'node:crypto'`],
  ])('%s allows %s', async (filePath, code) => {
    expect(await problemsOf(filePath, code)).toEqual([])
  })
})

describe('writes to the cache', () => {
  it.each([
    ['src/bridge.ts', `client.setQueryData(['a'], 1)`],
    ['src/react/x.tsx', `client.setQueriesData({}, 1)`],
    ['src/core/overlay/x.ts', `query.setState({ data: 1 })`],
    ['src/core/session/x.ts', `this.options.client?.setQueryData(['a'], 1)`],
  ])('%s refuses %s', async (filePath, code) => {
    expect(await problemsOf(filePath, code)).toEqual([WRITES])
  })

  it('src/core/cache may', async () => {
    expect(await problemsOf('src/core/cache/x.ts', `client.setQueryData(['a'], 1)`)).toEqual([])
  })

  it('a private method of the same name is something else', async () => {
    expect(await problemsOf('src/bridge.ts', `class A { #setState() {} a() { this.#setState() } }`)).toEqual(
      [],
    )
  })
})

describe('eslint.config.js', () => {
  it('holds the rules over real files, with its own resolver', async () => {
    const code = [
      `import type { Transport } from './transport.ts'`,
      `import { QueryClient } from '@tanstack/react-query'`,
      `new QueryClient().setQueryData(['a'], 1)`,
      `export type { Transport }`,
      ``,
    ].join('\n')
    const [result] = await new ESLint().lintText(code, { filePath: 'src/core/errors.ts' })
    expect(result?.messages.map(({ ruleId, severity }) => [ruleId, severity])).toEqual([
      [STAGES, 2],
      [PACKAGES, 2],
      [WRITES, 2],
    ])
  })
})
