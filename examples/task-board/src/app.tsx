import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { BoardPage } from './board/board-page.tsx'
import { boardsQuery } from './queries.ts'
import { hrefOf, navigate, useRoute } from './router.ts'
import { BoardSkeleton } from './board/board-skeleton.tsx'
import css from './app.module.css'
import { useAnnounceConnection } from './network/connection-status.ts'
import { NetworkPanel } from './network/network-panel.tsx'
import { HelpDialog } from './shell/help-dialog.tsx'
import { Sidebar } from './shell/sidebar.tsx'
import { Announcer } from './ui/announcer.tsx'
import { Failure, Notice } from './ui/states.tsx'
import { Toasts } from './ui/toasts.tsx'
import { BoardIcon } from './ui/icons.tsx'

export function App() {
  return (
    <>
      <Workspace />
      <Toasts />
      <Announcer />
    </>
  )
}

function Workspace() {
  const route = useRoute()
  const boards = useQuery(boardsQuery())
  useAnnounceConnection()
  const [isSidebarOpen, setIsSidebarOpen] = useState(false)
  const board = boards.data?.find((candidate) => candidate.id === route.boardId)

  // The bare address leads to the first board.
  const firstId = boards.data?.[0]?.id
  useEffect(() => {
    if (route.boardId === null && firstId !== undefined) {
      navigate(hrefOf({ ...route, boardId: firstId }), { replace: true })
    }
  }, [route, firstId])

  return (
    <div className={css.workspace}>
      <a className={css.skip} href="#content">
        Skip to the board
      </a>
      <Sidebar boards={boards} isOpen={isSidebarOpen} close={() => setIsSidebarOpen(false)} />
      <main className={css.main} id="content" tabIndex={-1}>
        <div className={css.stage}>
          {board !== undefined ? (
            <BoardPage
              key={board.id}
              board={board}
              route={route}
              openSidebar={() => setIsSidebarOpen(true)}
            />
          ) : boards.isError && boards.data === undefined ? (
            <Failure
              error={boards.error}
              retry={() => void boards.refetch()}
              isRetrying={boards.isFetching}
            />
          ) : boards.data === undefined || route.boardId === null ? (
            <BoardSkeleton />
          ) : (
            <Notice icon={<BoardIcon size={22} />} title="There is no such board">
              It may have been renamed. The boards that there are stand on the left.
            </Notice>
          )}
        </div>
        <NetworkPanel />
      </main>
      <HelpDialog />
    </div>
  )
}
