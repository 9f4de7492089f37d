import '@fontsource-variable/inter'
import './styles/tokens.css'
import './styles/base.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { RealtimeQueryProvider } from 'realtime-query-bridge/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { demoSession } from './demo-session.ts'
import { restore } from './offline.ts'
import { queryClient } from './query-client.ts'
import { bridge } from './realtime.ts'
import { SignIn } from './shell/sign-in.tsx'
import { signInFromAddress } from './sign-in-from-address.ts'

await signInFromAddress()
const session = demoSession.get()
if (session !== null) await restore(session.user.id)

/** For addresses with `?devtools`. Nobody else loads them. */
const Devtools = new URLSearchParams(location.search).has('devtools')
  ? (await import('realtime-query-bridge/devtools/production')).RealtimeDevtools
  : () => null

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    {session === null ? (
      <QueryClientProvider client={queryClient}>
        <SignIn />
      </QueryClientProvider>
    ) : (
      <RealtimeQueryProvider bridge={bridge}>
        <App />
        <Devtools />
      </RealtimeQueryProvider>
    )}
  </StrictMode>,
)
