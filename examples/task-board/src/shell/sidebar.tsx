import type { UseQueryResult } from '@tanstack/react-query'
import { useTopic } from 'realtime-query-bridge/react'
import { useEffect, useRef } from 'react'
import type { Board } from '../../shared/model.ts'
import { useMe } from '../demo-session.ts'
import { RouteLink } from '../route-link.tsx'
import { hrefOf, useRoute } from '../router.ts'
import { IconButton } from '../ui/controls.tsx'
import { CloseIcon, HelpIcon, LockIcon, MoonIcon, ProgressRing, SunIcon } from '../ui/icons.tsx'
import { Bone, Skeleton } from '../ui/states.tsx'
import { useTheme } from '../ui/theme.ts'
import { useInView } from '../ui/use-in-view.ts'
import { tasksCount } from '../ui/words.ts'
import { openHelp } from './help-dialog.tsx'
import { Logo } from './logo.tsx'
import { ProfileMenu } from './profile-menu.tsx'
import css from './sidebar.module.css'

interface SidebarProps {
  readonly boards: UseQueryResult<Board[]>
  /** On a phone it lies over the page. */
  readonly isOpen: boolean
  readonly close: () => void
}

export function Sidebar({ boards, isOpen, close }: SidebarProps) {
  const { theme, toggle } = useTheme()
  const aside = useRef<HTMLElement>(null)

  useEffect(() => {
    if (!isOpen) return
    aside.current?.querySelector<HTMLElement>('a, button')?.focus()
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Escape') close()
    }
    addEventListener('keydown', onKeyDown)
    return () => removeEventListener('keydown', onKeyDown)
  }, [isOpen, close])

  return (
    <>
      {isOpen && <div className={css.scrim} onClick={close} />}
      <aside ref={aside} className={css.sidebar} data-open={isOpen || undefined} aria-label="Workspace">
        <div className={css.head}>
          <Logo />
          <span className={css.brand}>Orbit Labs</span>
          <IconButton className={css.closeButton} label="Close" onClick={close}>
            <CloseIcon />
          </IconButton>
        </div>

        <nav aria-label="Boards" className={css.nav}>
          <h2 className={css.heading}>Boards</h2>
          {boards.data === undefined ? (
            <Skeleton label="Loading boards">
              <div className={css.bones}>
                <Bone width="80%" />
                <Bone width="65%" />
                <Bone width="45%" />
              </div>
            </Skeleton>
          ) : (
            <ul>
              {boards.data.map((board) => (
                <BoardItem key={board.id} board={board} onFollow={close} />
              ))}
            </ul>
          )}
        </nav>

        <div className={css.foot}>
          <ProfileMenu />
          <IconButton
            label={theme === 'dark' ? 'Switch to the light theme' : 'Switch to the dark theme'}
            onClick={toggle}
          >
            {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
          </IconButton>
          <IconButton label="Keyboard shortcuts" onClick={openHelp}>
            <HelpIcon />
          </IconButton>
        </div>
      </aside>
    </>
  )
}

interface BoardItemProps {
  readonly board: Board
  readonly onFollow: () => void
}

function BoardItem({ board, onFollow }: BoardItemProps) {
  const me = useMe()
  const item = useRef<HTMLLIElement>(null)
  const isInView = useInView(item)
  const route = useRoute()
  const { todo, doing, review, done } = board.counts
  const open = todo + doing + review
  const isMember = !board.isPrivate || board.memberIds.includes(me.id)
  // A board that is one click away stays as live as it was left; one that is scrolled out of view costs nothing.
  useTopic(`board:${board.id}`, { enabled: isInView && isMember })
  return (
    <li ref={item}>
      <RouteLink
        className={css.board}
        href={hrefOf({ boardId: board.id, view: route.view, filters: {}, taskId: null })}
        aria-current={route.boardId === board.id ? 'page' : undefined}
        onClick={onFollow}
        title={`${todo} to do, ${doing} in progress, ${review} in review, ${done} done`}
      >
        <ProgressRing done={done} total={open + done} color={board.color} />
        <span className={css.name}>{board.name}</span>
        {board.isPrivate && <LockIcon size={13} className={css.lock} />}
        {board.isPrivate && (
          <span className="visually-hidden">
            {isMember ? ', private' : ', private, you are not a member'}
          </span>
        )}
        <span className={css.count} data-testid={`count-${board.id}`}>
          <span aria-hidden="true">{open}</span>
          <span className="visually-hidden">, {tasksCount(open)} open</span>
        </span>
      </RouteLink>
    </li>
  )
}
