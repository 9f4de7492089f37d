/**
 * What makes data from a client dangerous to handle, or `undefined`: nesting that a recursive function dies of, and keys
 * that give a careless merge another prototype. Walks without recursion.
 */
export function hostilityOf(data: unknown, maxNesting: number): string | undefined {
  let level: object[] = isObject(data) ? [data] : []
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxNesting) return `data nested deeper than ${maxNesting}`
    if (level.some(isPolluting)) return 'a key that changes prototypes'
    level = level.flatMap((item) => Object.values(item).filter(isObject))
  }
  return undefined
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function isPolluting(item: object): boolean {
  if (Object.hasOwn(item, '__proto__')) return true
  if (!Object.hasOwn(item, 'constructor')) return false
  const { constructor } = item as { constructor: unknown }
  return isObject(constructor) && Object.hasOwn(constructor, 'prototype')
}
