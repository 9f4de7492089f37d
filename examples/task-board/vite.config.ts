import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  build: { target: 'es2022', chunkSizeWarningLimit: 700 },
  // `npm run dev` beside a running `npm start`: pages from Vite, everything else from the server.
  server: {
    proxy: {
      '/api': 'http://localhost:4400',
      '/realtime': { target: 'ws://localhost:4400', ws: true },
    },
  },
})
