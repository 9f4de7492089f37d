import type { User } from '../../shared/model.ts'
import css from './avatar.module.css'
import { UserIcon } from './icons.tsx'

interface AvatarProps {
  readonly user: User | undefined
  readonly size?: 'small' | 'medium' | 'large'
}

/** A person's initials, as a picture; an empty place for nobody. The name is told by the text or label beside it. */
export function Avatar({ user, size = 'medium' }: AvatarProps) {
  if (user === undefined) {
    return (
      <span className={css.avatar} data-size={size} data-empty aria-hidden="true">
        <UserIcon size={size === 'small' ? 11 : 13} />
      </span>
    )
  }
  return (
    <span
      className={css.avatar}
      data-size={size}
      data-initials={initials(user.name)}
      style={{ background: user.color }}
      aria-hidden="true"
    />
  )
}

function initials(name: string): string {
  return name
    .split(' ')
    .map((part) => part.charAt(0))
    .slice(0, 2)
    .join('')
}
