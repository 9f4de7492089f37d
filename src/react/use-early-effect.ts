import { useEffect, useLayoutEffect } from 'react'

/**
 * A layout effect: it comes before the effects in which useQuery starts its fetches, and before any event. On the
 * server neither runs, and useLayoutEffect warns in React 18.
 */
export const useEarlyEffect = typeof document === 'undefined' ? useEffect : useLayoutEffect
