/** Two cards, one a moment behind the other. */
export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true">
      <rect x="2" y="7" width="18" height="18" rx="5.5" fill="var(--accent)" opacity=".42" />
      <rect x="12" y="7" width="18" height="18" rx="5.5" fill="var(--accent)" />
      <path
        d="m16.8 16.3 2.9 2.9 5.3-6.2"
        stroke="#fff"
        strokeWidth="2.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  )
}
