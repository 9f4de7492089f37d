/** What goes over the wire, told to whoever listens: the network panel's log. */
type Listener = (happening: WireHappening) => void

export type WireHappening =
  | { readonly what: 'received'; readonly text: string; readonly fate: 'delivered' | 'lost' | 'doubled' }
  | { readonly what: 'sent'; readonly text: string }
  | { readonly what: 'cut' }

const listeners = new Set<Listener>()

export function onWire(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function tellWire(happening: WireHappening): void {
  for (const listener of listeners) listener(happening)
}
