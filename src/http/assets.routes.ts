// Serves the style and pictures of our pages, and the logos of apps. Invariant: what is cached for
// ever has its content's checksum or hash in its address; and nothing that is opened here by its
// own address can run a script, whatever its bytes are.
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import Router from '@koa/router'
import type { Context } from 'koa'
import { AppError } from '../shared/errors.ts'
import { limitPages } from './limit-pages.ts'
import type { BatchedLimit } from './rate-limit.ts'
import { assetVersion } from './views.ts'

/** A picture of an app, checked when it was uploaded. */
export interface StoredLogo {
  readonly contentType: string
  readonly bytes: Uint8Array
}

const FOR_EVER = 'public, max-age=31536000, immutable'
// A second lock behind the check at upload, for the day somebody opens an SVG by its own address.
const INERT = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
}

interface Asset {
  contentType: string
  bytes: Buffer
  version: string
}

/**
 * Reads the assets and creates the router of /assets/:file and /logos/:id.
 *
 * @param deps.directory the directory of the views
 * @param deps.findLogo finds by the hash of the bytes; takes any text
 * @throws {Error} an asset has a type that is not served
 */
export function createAssetsRouter(deps: {
  directory: string
  findLogo: (id: string) => Promise<StoredLogo | undefined>
  perAddress: Pick<BatchedLimit, 'hit'>
}): Router {
  const assets = readAssets(join(deps.directory, 'assets'))
  const router = new Router({ strict: true, sensitive: true })

  const limited = limitPages(deps.perAddress)

  router.get(
    '/assets/:file',
    limited,
    function serveAsset(ctx: Context & { params: { file: string } }) {
      const asset = assets.get(ctx.params.file)
      if (asset === undefined) throw new AppError('not_found')
      // While a new version is rolled out, its pages may ask an old process: that answer must not
      // stay.
      const isCurrent = ctx.query['v'] === asset.version
      send(ctx, asset, isCurrent ? FOR_EVER : 'no-cache')
      ctx.etag = asset.version
      if (ctx.fresh) ctx.status = 304
    },
  )

  router.get(
    '/logos/:id',
    limited,
    async function serveLogo(ctx: Context & { params: { id: string } }) {
      const logo = await deps.findLogo(ctx.params.id)
      if (logo === undefined) throw new AppError('not_found')
      send(ctx, logo, FOR_EVER)
    },
  )
  return router
}

function readAssets(directory: string): ReadonlyMap<string, Asset> {
  return new Map(
    readdirSync(directory).map((file) => {
      const contentType = CONTENT_TYPES[extname(file)]
      if (contentType === undefined) throw new Error(`The asset ${file} has no known type.`)
      const bytes = readFileSync(join(directory, file))
      return [file, { contentType, bytes, version: assetVersion(bytes) }]
    }),
  )
}

function send(ctx: Context, { contentType, bytes }: StoredLogo, cacheControl: string): void {
  ctx.status = 200
  ctx.set({
    'Content-Type': contentType,
    'Cache-Control': cacheControl,
    'Content-Security-Policy': INERT,
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Resource-Policy': 'same-origin',
  })
  ctx.body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
