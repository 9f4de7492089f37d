import type { Board, User } from '../../shared/model.ts'
import { ConnectionButton } from '../network/connection-button.tsx'
import { RouteLink } from '../route-link.tsx'
import { hrefOf, type Route, type View } from '../router.ts'
import { Button, IconButton } from '../ui/controls.tsx'
import { ActivityIcon, BoardIcon, ListIcon, LockIcon, MenuIcon, PlusIcon } from '../ui/icons.tsx'
import css from './board-header.module.css'

const VIEWS: readonly { view: View; name: string; icon: typeof BoardIcon }[] = [
  { view: 'board', name: 'Board', icon: BoardIcon },
  { view: 'list', name: 'List', icon: ListIcon },
  { view: 'activity', name: 'Activity', icon: ActivityIcon },
]

interface BoardHeaderProps {
  readonly board: Board
  readonly route: Route
  readonly openSidebar: () => void
  /** Absent: nothing can be added here. */
  readonly compose?: () => void
  readonly people?: readonly User[]
}

export function BoardHeader({ board, route, openSidebar, compose }: BoardHeaderProps) {
  return (
    <header className={css.header}>
      <IconButton className={css.menu} label="Boards" onClick={openSidebar}>
        <MenuIcon />
      </IconButton>
      <div className={css.title}>
        <span className={css.mark} style={{ background: board.color }} aria-hidden="true">
          {board.name.charAt(0)}
        </span>
        <h1 className={css.name}>{board.name}</h1>
        {board.isPrivate && <LockIcon size={14} className={css.lock} />}
        <p className={css.description}>{board.description}</p>
      </div>
      <nav aria-label="Views" className={css.views}>
        {VIEWS.map(({ view, name, icon: Icon }) => (
          <RouteLink
            key={view}
            className={css.view}
            title={name}
            href={hrefOf({ ...route, view })}
            aria-current={route.view === view ? 'page' : undefined}
          >
            <Icon size={15} /> {name}
          </RouteLink>
        ))}
      </nav>
      <div className={css.tools}>
        <ConnectionButton />
        {compose !== undefined && (
          <Button look="primary" className={css.compose} onClick={compose} title="New task (C)">
            <PlusIcon size={14} /> <span>New task</span>
          </Button>
        )}
      </div>
    </header>
  )
}
