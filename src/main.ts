// The server process: settings → stores → services → app → listen; drains on SIGTERM, SIGINT and
// SIGHUP. Its exit code is 0 after an orderly end, 1 when it could not start or stop in time.
import './require-node.ts'

// Not a static import: an older Node would read it first, and fail over syntax that it does not
// know.
const { runServer } = await import('./serve.ts')
process.exitCode = await runServer(process.env)
