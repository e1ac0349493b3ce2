# kvcore-server in a container: docs/operations.md says how to run it.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY kvcore kvcore
COPY frontends frontends
COPY storage storage
COPY replication replication
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[server,metrics]'

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl \
    && useradd --system --uid 999 --home-dir /data --shell /usr/sbin/nologin kvcore \
    && install --directory --owner kvcore --group kvcore --mode 0750 /data
# Inside a container every address is the container's own. Who connects without a password is still refused
# (`protected-mode`) until KVCORE_REQUIREPASS, an ACL file or KVCORE_PROTECTED_MODE=no says otherwise.
ENV KVCORE_BIND="* -::*" PYTHONUNBUFFERED=1
USER 999
WORKDIR /data
VOLUME /data
EXPOSE 6379
# Any answer to PING will do: -NOAUTH comes from a living server, too. TLS alone needs a check of your own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, socket; s = socket.create_connection(('127.0.0.1', int(os.environ.get('KVCORE_PORT', 6379))), 2); s.sendall(b'PING\\r\\n'); raise SystemExit(not s.recv(1))"]
ENTRYPOINT ["kvcore-server"]
CMD ["--appendonly", "yes"]
