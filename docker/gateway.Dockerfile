# The gateway: HTTP in, job out. Flask on Granian; neither scikit-learn, NumPy nor Celery is in this image.
# Built from the project's root: docker compose build gateway
#
# PYTHON_IMAGE: any Debian-based CPython from 3.11 on that has pip and venv. Every locked package has wheels for 3.11 to
# 3.14 on x86_64 and arm64, so no image needs a compiler.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

# Rebuilt only when the locked requirements change.
FROM ${PYTHON_IMAGE} AS dependencies
RUN python3 -m venv --without-pip /venv
COPY requirements/gateway.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip --python /venv/bin/python --disable-pip-version-check install \
      --require-hashes --no-deps --only-binary :all: --no-compile --quiet --requirement /requirements.txt \
 && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

# Rebuilt at each change of the source, in a second: bytecode beforehand, as the containers cannot write any.
FROM ${PYTHON_IMAGE} AS source
COPY rhizome /app/rhizome
COPY gateway /app/gateway
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app \
 && chmod -R a+rX /app

FROM ${PYTHON_IMAGE}
COPY --from=dependencies /venv /venv
RUN groupadd --gid 10001 mluser \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --no-log-init --shell /usr/sbin/nologin mluser \
 && install --directory --owner mluser --group mluser /app/blobs
COPY --from=source /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RHIZOME_HOST=0.0.0.0 \
    RHIZOME_PORT=8000 \
    RHIZOME_PULSE_DIR=/tmp/pulse
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "rhizome.probe", "--livez", "http://127.0.0.1:8000/livez", "server"]
CMD ["python", "-m", "gateway"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Rhizome gateway" \
      org.opencontainers.image.description="HTTP in, job out: the gateway of the Rhizome prediction service" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
