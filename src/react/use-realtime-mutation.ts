import { useMutation, type UseMutationResult } from '@tanstack/react-query'
import {
  realtimeMutationOptions,
  type RealtimeMutationOptions,
  type WithMutationId,
} from '../mutation-options.ts'
import { useRealtimeBridge } from './bridge-context.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/**
 * `useMutation` that shows at once, survives what arrives meanwhile, and settles on the server's word. All of
 * TanStack's options and results are there.
 *
 * @example
 * const rename = useRealtimeMutation({
 *   mutationFn: ({ id, title }: Rename, { mutationId }) => api.rename(id, title, { idempotencyKey: mutationId }),
 *   optimistic: ({ id, title }) => patch(tasks.all(), id, { title }),
 * })
 */
export function useRealtimeMutation<
  TData = unknown,
  TError = Error,
  TVariables = void,
  TOnMutateResult extends object | undefined | void = undefined,
>(
  options: RealtimeMutationOptions<TData, TError, TVariables, TOnMutateResult>,
  hookOptions: BridgeHookOptions = {},
): UseMutationResult<TData, TError, TVariables, WithMutationId<TOnMutateResult>> {
  const bridge = useRealtimeBridge(hookOptions.bridge)
  return useMutation(realtimeMutationOptions(bridge, options), bridge.queryClient)
}
