# The bot in a container: glibc (the CEL library has no musl wheel), non-root, read-only root, nothing to build with.
# compose.yaml runs it as it is meant to be run; docs/operations.md says what to mount.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md slack-manifest.yaml ./
COPY bot ./bot
COPY playbooks ./playbooks
RUN pip wheel --no-cache-dir --no-deps -w /wheel . \
 && /venv/bin/pip install --no-cache-dir --no-deps /wheel/netdiag-*.whl \
 && /venv/bin/pip uninstall -y pip

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /state --shell /usr/sbin/nologin netdiag \
 && install -d -o netdiag -g netdiag -m 0700 /state \
 && python -m pip uninstall -y pip \
 && rm -rf /usr/local/lib/python3.12/ensurepip
COPY --from=build /venv /venv
USER 10001:10001
# Nothing is written but to /state and /tmp. matplotlib keeps its list of fonts in MPLCONFIGDIR.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    NETDIAG_STATE=/state \
    NETDIAG_INVENTORY=/inventory \
    NETDIAG_HTTP_LISTEN=127.0.0.1:9180 \
    NETDIAG_LOG_FORMAT=json
VOLUME /state
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; port = os.environ['NETDIAG_HTTP_LISTEN'].rpartition(':')[2]; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + port + '/healthz', timeout=4)"]
# SIGTERM reaches netdiag itself: what is on its way to a host is brought to its end (at most 30 s).
ENTRYPOINT ["netdiag"]
CMD ["serve"]
