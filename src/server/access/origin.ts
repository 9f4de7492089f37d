import { RealtimeError } from '../../core/errors.ts'

/** Exact origins (`https://app.example.com`, with its port when it is not the usual one), or `'any'`. */
export type AllowedOrigins = readonly string[] | 'any'

/** So many different origins are told of, since anybody can send any. */
const MAX_TOLD = 16

/** What is kept and told of a header. */
const MAX_TOLD_CHARACTERS = 200

interface OriginQuestion {
  /** The `Origin` header. */
  readonly origin: string | undefined
  /** The `Host` header. */
  readonly host: string | undefined
  /** The connection itself is TLS. Behind a proxy that ends TLS it is not, whatever the page is. */
  readonly isEncrypted: boolean
}

/**
 * Makes the check that a browser does not make for WebSockets: whether the page at `origin` may connect with the
 * user's cookies. A request without `Origin` does not come from a page, so it is left to `authenticate`. Without a
 * list, pages of the same host and port may connect. Throws `usage` for a list that would not match what it says.
 */
export function originCheck(allowed: AllowedOrigins | undefined): (question: OriginQuestion) => boolean {
  if (allowed === 'any') return () => true
  if (!allowed) return isSameHost
  for (const entry of allowed) {
    const origin = originOf(entry)
    if (origin !== entry.toLowerCase()) {
      throw new RealtimeError(
        'usage',
        `allowedOrigins holds exact origins. Write ${origin ? `'${origin}'` : "'https://host' or 'https://host:port'"} instead of '${entry}', or 'any' for every page.`,
      )
    }
  }
  const origins = new Set(allowed.map((entry) => entry.toLowerCase()))
  return ({ origin }) => origin === undefined || origins.has(originOf(origin) ?? '')
}

/**
 * Tells the app of pages that were refused, each origin once: in development a page often has another port than its
 * server, and a browser shows only that the connection failed. `adapter` is the beginning of the call that takes the list.
 */
export function refusedOrigins(
  allowed: AllowedOrigins | undefined,
  { adapter, report }: { adapter: string; report: (error: RealtimeError) => void },
): (question: OriginQuestion) => void {
  const told = new Set<string>()
  return ({ origin: header, host: hostHeader = '', isEncrypted }) => {
    if (header === undefined || told.size >= MAX_TOLD) return
    const page = originOf(header)
    const origin = (page ?? header).slice(0, MAX_TOLD_CHARACTERS)
    if (told.has(origin)) return
    told.add(origin)
    const host = hostHeader.slice(0, MAX_TOLD_CHARACTERS)
    const reason = allowed
      ? 'it is not among allowedOrigins'
      : `this server is reached as '${isEncrypted ? 'https://' : ''}${host}'`
    const remedy =
      page === undefined
        ? "Such pages may connect only with allowedOrigins: 'any', which is for servers that take no cookies."
        : `If it is yours: ${adapter}, { allowedOrigins: [${allowed ? '…, ' : ''}'${origin}'] }).`
    const last = told.size >= MAX_TOLD ? ' Further origins are not told.' : ''
    report(
      new RealtimeError(
        'origin-refused',
        `A page of '${origin}' was refused (403): ${reason}. ${remedy}${last}`,
        {
          details: { origin, host },
        },
      ),
    )
  }
}

function isSameHost({ origin, host, isEncrypted }: OriginQuestion): boolean {
  if (origin === undefined) return true
  const page = originOf(origin)
  if (page === undefined || host === undefined) return false
  const { protocol } = new URL(page)
  // A page that came over plain HTTP can be anybody's; it has no business on a TLS connection.
  if (isEncrypted && protocol !== 'https:') return false
  // Read with the page's scheme, so that its usual port may stand in either header or in neither.
  return originOf(`${protocol}//${host}`) === page
}

/** The origin that a header or an entry names, in its one normal form. `undefined` when it is none (`null` too). */
function originOf(text: string): string | undefined {
  if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(text.replace(/\/$/, ''))) return undefined
  try {
    return new URL(text).origin
  } catch {
    return undefined
  }
}
