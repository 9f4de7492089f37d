import { useMutation, useQuery } from '@tanstack/react-query'
import { api } from '../api.ts'
import { enterAs } from '../demo-session.ts'
import { usersQuery } from '../queries.ts'
import { Avatar } from '../ui/avatar.tsx'
import { Bone, Failure, Skeleton } from '../ui/states.tsx'
import { Logo } from './logo.tsx'
import css from './sign-in.module.css'

/** The picker in place of a sign-in: a demo has no passwords. */
export function SignIn() {
  const users = useQuery(usersQuery())
  const signIn = useMutation({ mutationFn: api.signIn, onSuccess: enterAs })

  return (
    <main className={css.page}>
      <div className={css.card}>
        <Logo size={40} />
        <h1 className={css.title}>Who are you in this window?</h1>
        <p className={css.text}>
          There are no passwords here. Open a second window as somebody else and watch them stay in step.
        </p>
        {users.data !== undefined ? (
          <ul className={css.people} aria-label="People">
            {users.data.map((user) => (
              <li key={user.id}>
                <button
                  className={css.person}
                  onClick={() => signIn.mutate(user.id)}
                  disabled={signIn.isPending}
                >
                  <Avatar user={user} size="large" />
                  <span className={css.name}>{user.name}</span>
                  <span className={css.role}>{user.role}</span>
                </button>
              </li>
            ))}
          </ul>
        ) : users.isError ? (
          <Failure
            error={users.error}
            retry={() => void users.refetch()}
            isRetrying={users.isFetching}
            isCompact
          />
        ) : (
          <Skeleton label="Loading people">
            <div className={css.people}>
              {[0, 1, 2, 3, 4, 5].map((i) => (
                <Bone key={i} width="100%" height={118} />
              ))}
            </div>
          </Skeleton>
        )}
        {signIn.isError && (
          <p role="alert" className={css.error}>
            {signIn.error.message}
          </p>
        )}
      </div>
    </main>
  )
}
