import { Store } from '../store.ts'

export const isNetworkOpen = new Store(false)
