import { describe, expect, it } from 'vitest'
import type { RealtimeError } from '../../src/core/errors.ts'
import { originCheck, refusedOrigins } from '../../src/server/access/origin.ts'

const ask = (
  allowed: readonly string[] | 'any' | undefined,
  origin: string | undefined,
  host = 'app.example.com',
) => originCheck(allowed)({ origin, host, isEncrypted: false })

describe('S1 originCheck without a list', () => {
  it.each([
    ['https://app.example.com', 'app.example.com'],
    ['https://app.example.com:443', 'app.example.com'],
    ['https://app.example.com', 'app.example.com:443'],
    ['http://app.example.com', 'app.example.com:80'],
    ['HTTPS://APP.Example.COM', 'app.example.com'],
    ['http://localhost:5173', 'localhost:5173'],
    ['http://[::1]:3000', '[::1]:3000'],
    [undefined, 'app.example.com'],
  ])('allows %s on host %s', (origin, host) => {
    expect(ask(undefined, origin, host)).toBe(true)
  })

  it.each([
    ['https://evil.example', 'app.example.com'],
    ['https://app.example.com.evil.example', 'app.example.com'],
    ['https://evilapp.example.com', 'app.example.com'],
    ['https://sub.app.example.com', 'app.example.com'],
    ['https://app.example.com:8443', 'app.example.com'],
    ['http://localhost:5173', 'localhost:5174'],
    ['http://localhost:5173', '127.0.0.1:5173'],
    ['null', 'app.example.com'],
    ['null', 'null'],
    ['', ''],
    ['', 'app.example.com'],
    ['app.example.com', 'app.example.com'],
    ['file://', ''],
    ['https://app.example.com@evil.example', 'app.example.com'],
    ['https://evil.example/app.example.com', 'app.example.com'],
    ['https://evil.example#app.example.com', 'app.example.com'],
    ['https://app.example.com, https://evil.example', 'app.example.com'],
    ['ws://app.example.com', 'app.example.com'],
    ['https://app.example.com', 'user@app.example.com'],
  ])('refuses %j on host %j', (origin, host) => {
    expect(ask(undefined, origin, host)).toBe(false)
  })

  it('refuses a page that came over plain HTTP on a TLS connection', () => {
    const question = { host: 'app.example.com', isEncrypted: true }
    expect(originCheck(undefined)({ ...question, origin: 'http://app.example.com' })).toBe(false)
    expect(originCheck(undefined)({ ...question, origin: 'https://app.example.com' })).toBe(true)
  })

  it('refuses a page when there is no host to compare with', () => {
    expect(originCheck(undefined)({ origin: 'https://a.example', host: undefined, isEncrypted: false })).toBe(
      false,
    )
  })
})

describe('S1 originCheck with a list', () => {
  const list = ['https://app.example.com', 'http://localhost:5173']

  it.each([
    'https://app.example.com',
    'https://APP.example.com',
    'https://app.example.com:443',
    'http://localhost:5173',
    undefined,
  ])('allows %s', (origin) => {
    expect(ask(list, origin)).toBe(true)
  })

  it.each([
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.example',
    'http://localhost:51730',
    'http://localhost',
    'null',
    '',
  ])('refuses %j, whatever the host', (origin) => {
    expect(ask(list, origin, 'localhost')).toBe(false)
  })

  it('refuses the same host when it is not in the list', () => {
    expect(ask(list, 'https://other.example', 'other.example')).toBe(false)
    expect(ask([], 'https://app.example.com')).toBe(false)
  })

  it("allows everything with 'any'", () => {
    expect(ask('any', 'null')).toBe(true)
  })

  it.each([
    ['*', 'https://host'],
    ['app.example.com', 'https://host'],
    ['https://*.example.com/path', 'https://host'],
    ['https://app.example.com/', "'https://app.example.com'"],
    ['https://app.example.com:443', "'https://app.example.com'"],
  ])('refuses the entry %s and says what to write', (entry, remedy) => {
    expect(() => originCheck([entry])).toThrow(remedy)
  })
})

describe('refusedOrigins', () => {
  const start = (allowed?: readonly string[]) => {
    const errors: RealtimeError[] = []
    const tell = refusedOrigins(allowed, {
      adapter: 'sseHandler(server',
      report: (error) => errors.push(error),
    })
    return { errors, tell }
  }

  it('tells of a few origins and no more, and says so', () => {
    const { errors, tell } = start()
    for (let n = 0; n < 100; n++)
      tell({ origin: `https://${n}.example`, host: 'app.example', isEncrypted: false })
    expect(errors).toHaveLength(16)
    expect(errors.at(-2)!.message).not.toContain('not told')
    expect(errors.at(-1)!.message).toContain('Further origins are not told.')
  })

  it('keeps and tells no more of a header than an origin needs', () => {
    const { errors, tell } = start()
    const origin = `https://${'a'.repeat(15_000)}`
    tell({ origin, host: 'h'.repeat(15_000), isEncrypted: false })
    tell({ origin: `${origin}b`, host: 'app.example', isEncrypted: false })
    expect(errors).toHaveLength(1)
    expect(errors[0]!.message.length).toBeLessThan(2_000)
  })

  it('offers no entry for what is no origin', () => {
    const { errors, tell } = start(['https://app.example'])
    tell({ origin: 'null', host: 'app.example', isEncrypted: false })
    expect(errors[0]!.message).toContain("'any'")
    expect(errors[0]!.message).not.toContain("'null']")
  })

  it('says that a page of the same name came without TLS', () => {
    const { errors, tell } = start()
    tell({ origin: 'http://app.example', host: 'app.example', isEncrypted: true })
    expect(errors[0]!.message).toContain('https://app.example')
  })
})
