import { useMutation, useQuery } from '@tanstack/react-query'
import { api } from '../api.ts'
import { enterAs, useMe } from '../demo-session.ts'
import { usersQuery } from '../queries.ts'
import { Avatar } from '../ui/avatar.tsx'
import { SwitchIcon } from '../ui/icons.tsx'
import { Menu } from '../ui/menu.tsx'
import { showToast } from '../ui/toasts.tsx'
import css from './profile-menu.module.css'

/** Who this window is, and the way to be somebody else. */
export function ProfileMenu() {
  const me = useMe()
  const users = useQuery(usersQuery())
  const signIn = useMutation({
    mutationFn: api.signIn,
    onSuccess: enterAs,
    onError: (error) => showToast({ tone: 'error', text: error.message }),
  })

  return (
    <Menu
      label="Who you are"
      sections={[
        {
          heading: 'Be somebody else in this window',
          choose: 'one',
          items: (users.data ?? [me]).map((user) => ({
            key: user.id,
            name: user.name,
            icon: <Avatar user={user} size="small" />,
            hint: user.role,
            isChecked: user.id === me.id,
            run: () => {
              if (user.id !== me.id) signIn.mutate(user.id)
            },
          })),
        },
        {
          items: [{ key: 'leave', name: 'Leave', icon: <SwitchIcon />, run: () => enterAs(null) }],
        },
      ]}
      trigger={(props) => (
        <button className={css.me} {...props} aria-label={`You are ${me.name}. Switch`}>
          <Avatar user={me} />
          <span className={css.name}>{me.name}</span>
        </button>
      )}
    />
  )
}
