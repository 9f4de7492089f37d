import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Board, TaskFilters, User } from '../../shared/model.ts'
import { ActivityView } from '../activity/activity-view.tsx'
import { ApiError } from '../api.ts'
import { useMe } from '../demo-session.ts'
import { taskListQuery, usersQuery } from '../queries.ts'
import { useShowRemoteChanges } from '../remote-changes.ts'
import { hrefOf, navigate, type Route } from '../router.ts'
import { useShortcut } from '../shell/shortcuts.ts'
import { useBoardSync } from '../task-sync.ts'
import { TaskPanel } from '../task/task-panel.tsx'
import { LockIcon } from '../ui/icons.tsx'
import { Failure, Notice } from '../ui/states.tsx'
import { useTaskWrites } from '../use-task-writes.ts'
import { BoardColumns } from './board-columns.tsx'
import { BoardHeader } from './board-header.tsx'
import css from './board-page.module.css'
import { BoardContext, type BoardScope } from './board-scope.ts'
import { BoardSkeleton } from './board-skeleton.tsx'
import { FilterBar } from './filter-bar.tsx'
import { TaskList } from './task-list.tsx'

interface BoardPageProps {
  readonly board: Board
  readonly route: Route
  readonly openSidebar: () => void
}

export function BoardPage({ board, route, openSidebar }: BoardPageProps) {
  const filters = useShownFilters(route)
  const list = useQuery(taskListQuery(board.id, filters))
  const users = useQuery(usersQuery())
  const sync = useBoardSync(board.id)
  const writes = useTaskWrites(board.id)
  const [isComposing, setIsComposing] = useState(false)
  useShortcut('c', compose)

  function compose() {
    // The feed has no place to write in.
    if (route.view === 'activity') navigate(hrefOf({ ...route, view: 'board' }))
    setIsComposing(true)
  }

  const scope = useMemo((): BoardScope => {
    const personById = new Map((users.data ?? []).map((user) => [user.id, user]))
    return {
      board,
      members: board.memberIds
        .map((id) => personById.get(id))
        .filter((user): user is User => user !== undefined),
      personById,
      writes,
      tasks: list.data ?? [],
      sync,
      hrefOfTask: (taskId) => hrefOf({ ...route, taskId }),
    }
  }, [board, users.data, writes, list.data, sync, route])

  useShowRemoteChanges(scope.personById)

  const isForbidden = list.error instanceof ApiError && list.error.status === 403
  if (isForbidden)
    return <Forbidden board={board} people={scope.members} openSidebar={openSidebar} route={route} />

  const isFiltered = Object.keys(filters).some((name) => name !== 'sort')
  return (
    <BoardContext value={scope}>
      <div className={css.page} data-panel={route.taskId !== null || undefined}>
        <div className={css.sheet}>
          <BoardHeader board={board} route={route} openSidebar={openSidebar} compose={compose} />
          {route.view === 'activity' ? (
            <ActivityView boardId={board.id} />
          ) : (
            <>
              <FilterBar route={route} isFetching={list.isFetching} />
              {list.data === undefined ? (
                list.isError ? (
                  <Failure
                    error={list.error}
                    retry={() => void list.refetch()}
                    isRetrying={list.isFetching}
                  />
                ) : (
                  <BoardSkeleton />
                )
              ) : route.view === 'list' ? (
                <TaskList
                  filters={filters}
                  isFiltered={isFiltered}
                  isComposing={isComposing}
                  setIsComposing={setIsComposing}
                  openTaskId={route.taskId}
                />
              ) : (
                <BoardColumns
                  listKey={hrefOf({ ...route, taskId: null })}
                  isFiltered={isFiltered}
                  isComposing={isComposing}
                  setIsComposing={setIsComposing}
                  openTaskId={route.taskId}
                />
              )}
            </>
          )}
        </div>
        {route.taskId !== null && (
          <TaskPanel
            key={route.taskId}
            taskId={route.taskId}
            closeHref={hrefOf({ ...route, taskId: null })}
          />
        )}
      </div>
    </BoardContext>
  )
}

/** The board view has its own columns and order: it takes the other filters only. */
function useShownFilters(route: Route): TaskFilters {
  return useMemo(() => {
    const { status, sort, ...rest } = route.filters
    if (route.view === 'board') return rest
    return {
      ...rest,
      ...(status === undefined ? {} : { status }),
      ...(sort === undefined || sort === 'rank' ? {} : { sort }),
    }
  }, [route.filters, route.view])
}

function Forbidden({
  board,
  people,
  ...header
}: Omit<BoardPageProps, 'board'> & { board: Board; people: readonly User[] }) {
  const me = useMe()
  const names = new Intl.ListFormat('en').format(people.map((person) => person.name.split(' ')[0]!))
  return (
    <div className={css.page}>
      <div className={css.sheet}>
        <BoardHeader board={board} {...header} />
        <Notice icon={<LockIcon size={22} />} title="This board is private">
          It is open to {names}. You are {me.name}: the server neither answers nor sends events of it to you.
        </Notice>
      </div>
    </div>
  )
}
