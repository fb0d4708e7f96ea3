# The server for production: compiled in one stage, run in another that holds no compiler, no package manager, no tests and no development
# dependency. It runs with a read-only root (`docker run --read-only --tmpfs /tmp`) and as a user with a number, which Kubernetes'
# runAsNonRoot asks for.
#
# The very version that the tests run with (package.json, devDependencies). A digest would be better still, and only somebody who can ask the
# registry knows the right one: add `@sha256:…` of `docker buildx imagetools inspect node:<version>-bookworm-slim`.
ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY migrations migrations
COPY views views
COPY providers providers
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:${NODE_VERSION}-bookworm-slim
# Nothing is installed from here on, so nobody who gets in finds the means to.
RUN rm -rf /usr/local/lib/node_modules /opt/yarn-* \
  /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg
# A small young generation and few arenas: half the memory under load, and shorter pauses.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# Everything above belongs to root: the process cannot change its own program. This is the image's user `node`.
USER 1000:1000
EXPOSE 3000 9400
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${Number(process.env.OTESSE_OPS_PORT || 9400) || process.env.OTESSE_PORT || 3000}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Exec form: SIGTERM reaches the server itself, which then drains.
CMD ["node", "--max-semi-space-size=4", "dist/src/main.js"]
