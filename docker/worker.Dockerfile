# The worker: Celery, the loaded versions, scikit-learn. It reads /app/models and writes nothing but /tmp.
# Built from the project's root: docker compose build worker
#
# PYTHON_IMAGE: any Debian-based CPython from 3.11 on that has pip and venv. Every locked package has wheels for 3.11 to
# 3.14 on x86_64 and arm64, so no image needs a compiler.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

# Rebuilt only when the locked requirements change. Left out are the big libraries' own tests (65 MB) and what of Arrow
# nothing here calls (60 MB): its headers and sources, its RPC framework, its own S3 client.
FROM ${PYTHON_IMAGE} AS dependencies
RUN python3 -m venv --without-pip /venv
COPY requirements/worker.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip --python /venv/bin/python --disable-pip-version-check install \
      --require-hashes --no-deps --only-binary :all: --no-compile --quiet --requirement /requirements.txt \
 && cd /venv/lib/python3*/site-packages \
 && find numpy scipy sklearn -type d -name tests -prune -exec rm -r {} + \
 && rm -r pyarrow/include pyarrow/includes pyarrow/src pyarrow/tests \
 && find pyarrow -regex '.*\.\(pyx\|pxi\|pxd\)' -delete \
 && rm -f pyarrow/*flight* pyarrow/_substrait* pyarrow/_pyarrow_cpp_tests* pyarrow/*_s3* pyarrow/_s3fs* \
      pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.* \
 && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

# Rebuilt at each change of the source, in a second: bytecode beforehand, as the containers cannot write any.
FROM ${PYTHON_IMAGE} AS source
COPY rhizome /app/rhizome
COPY worker /app/worker
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app \
 && chmod -R a+rX /app

FROM ${PYTHON_IMAGE}
COPY --from=dependencies /venv /venv
RUN groupadd --gid 10001 mluser \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --no-log-init --shell /usr/sbin/nologin mluser \
 && install --directory --owner mluser --group mluser /app/models /app/blobs
COPY --from=source /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RHIZOME_PULSE_DIR=/tmp/pulse
WORKDIR /app
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "rhizome.probe", "main", "child"]
CMD ["python", "-m", "worker"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Rhizome worker" \
      org.opencontainers.image.description="Holds the loaded versions and scores jobs: the worker of the Rhizome prediction service" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
