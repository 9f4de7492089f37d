/** Where a web-standard request came from, which it cannot say itself. Noted by the adapter that has made it. */
const addresses = new WeakMap<Request, string>()

export function noteRemoteAddress(request: Request, address: string | undefined): void {
  if (address !== undefined) addresses.set(request, address)
}

export const remoteAddressOf = (request: Request): string | undefined => addresses.get(request)
