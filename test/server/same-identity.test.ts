import { describe, expect, it } from 'vitest'
import { isSameIdentity } from '../../src/server/access/same-identity.ts'

class User {
  readonly #id: string
  constructor(id: string) {
    this.#id = id
  }
  get id() {
    return this.#id
  }
}

const ada = new User('ada')

describe('an identity', () => {
  it.each([
    ['ada', 'ada'],
    [7, 7],
    [{ user: 'ada', roles: ['a', 'b'] }, JSON.parse('{"roles":["a","b"],"user":"ada"}')],
    [ada, ada],
    [{ user: ada }, { user: ada }],
  ])('is the same: %o and %o', (a, b) => {
    expect(isSameIdentity(a, b)).toBe(true)
  })

  it.each([
    ['ada', 'bob'],
    ['7', 7],
    [{ user: 'ada' }, { user: 'bob' }],
    [{ user: 'ada' }, { user: 'ada', isAdmin: true }],
    [{ user: 'ada' }, { name: 'ada' }],
    [{ toString: undefined }, { user: 'ada' }],
    [['a'], ['b']],
    [[], {}],
    [{}, null],
    [undefined, {}],
    [new User('ada'), new User('ada')],
    [new Map(), new Map()],
  ])('is another: %o and %o', (a, b) => {
    expect(isSameIdentity(a, b)).toBe(false)
    expect(isSameIdentity(b, a)).toBe(false)
  })
})
