import { useEffect, useState } from 'react'

/** A value that has lasted for a while: what comes and goes within `delayMs` is never shown. */
export function useLasting<TValue>(value: TValue, delayMs: number, first = value): TValue {
  const [lasting, setLasting] = useState(first)
  useEffect(() => {
    if (Object.is(value, lasting)) return
    const timer = setTimeout(() => {
      setLasting(value)
    }, delayMs)
    return () => {
      clearTimeout(timer)
    }
  }, [value, lasting, delayMs])
  return lasting
}
