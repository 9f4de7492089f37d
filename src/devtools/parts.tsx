/** Small parts that the tabs share. */
import type { ReactNode } from 'react'
import { prettyOf } from './text.ts'
import type { Tone } from './words.ts'

export function Badge({ tone = 'calm', children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return (
    <span className="rqbd-badge" data-tone={tone}>
      {children}
    </span>
  )
}

/** A value, written out. */
export function Json({ label, value }: { readonly label: string; readonly value: unknown }) {
  return (
    <>
      <h4>{label}</h4>
      <pre tabIndex={0} aria-label={label}>
        {prettyOf(value)}
      </pre>
    </>
  )
}

/** Names and what they stand for; those without are left out. */
export function Facts({ of }: { readonly of: Readonly<Record<string, ReactNode>> }) {
  return (
    <dl className="rqbd-facts">
      {Object.entries(of).map(
        ([name, value]) =>
          value !== undefined &&
          value !== '' && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  )
}
