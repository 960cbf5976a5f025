# Redis with this service's configuration. An image of its own, rather than a mounted file, so that it works with a remote
# engine and whatever the file's mode and label are on the host.
#
# REDIS_IMAGE: Redis or Valkey, 7.0 or newer, with a user `redis` and a volume at /data that belongs to it.
ARG REDIS_IMAGE=redis:7-bookworm

FROM ${REDIS_IMAGE}
COPY --chmod=0644 docker/redis.conf /etc/redis.conf
USER redis
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s --retries=3 CMD redis-cli ping | grep -q PONG
CMD ["redis-server", "/etc/redis.conf"]
LABEL org.opencontainers.image.title="Rhizome Redis" \
      org.opencontainers.image.description="Redis with an append-only file that is synced before each answer" \
      org.opencontainers.image.licenses="Apache-2.0"
