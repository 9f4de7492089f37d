import { QueryClient } from '@tanstack/react-query'
import { ApiError } from './api.ts'

const isRefusal = (error: unknown) => error instanceof ApiError && !error.isTransient

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // As long as it is stored for the next visit.
      gcTime: 24 * 3_600_000,
      // A refusal stays a refusal; a server that is away comes back.
      retry: (failures, error) => !isRefusal(error) && failures < 5,
      retryDelay: (failures) => Math.min(4_000, 400 * 2 ** failures),
    },
    mutations: {
      // Safe, because each write carries a key of its own: the server carries it out once.
      retry: (failures, error) => !isRefusal(error) && failures < 8,
      retryDelay: (failures) => Math.min(3_000, 400 * 2 ** failures),
    },
  },
})
